{# Names of the raw data sets that a node is made of, however far up. Nodes that read about data rather than data
   (meta.lineage: metadata) have none. `seen` keeps shared parents from being walked twice. #}
{% macro raw_datasets(unique_id, seen=none) -%}
    {%- set visited = seen if seen is not none else {} -%}
    {%- set found = [] -%}
    {%- if unique_id not in visited -%}
        {%- do visited.update({unique_id: true}) -%}
        {%- if unique_id in graph.sources -%}
            {%- if graph.sources[unique_id].source_name == 'raw' -%}
                {%- do found.append(graph.sources[unique_id].name) -%}
            {%- endif -%}
        {%- elif unique_id in graph.nodes -%}
            {%- set node = graph.nodes[unique_id] -%}
            {%- if (node.config.meta or {}).lineage != 'metadata' -%}
                {%- for parent in node.depends_on.nodes -%}
                    {%- for name in raw_datasets(parent, visited) if name not in found -%}
                        {%- do found.append(name) -%}
                    {%- endfor -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(found | sort) }}
{%- endmacro %}

{# Rows (subject_type, subject, dataset): every published table and every KPI model with the data sets behind it. #}
{% macro lineage_registry_rows() -%}
    {%- set rows = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | sort(attribute='name') -%}
            {%- set meta = node.config.meta or {} -%}
            {%- set kind = 'table' if node.schema == 'publish_next' else ('model' if meta.kpi or meta.kpis else none) -%}
            {%- if kind -%}
                {%- for dataset in raw_datasets(node.unique_id) -%}
                    {%- do rows.append((kind, node.name, dataset)) -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for kind, subject, dataset in rows %}
    select {{ kpi_text(kind) }} as subject_type, {{ kpi_text(subject) }} as subject, {{ kpi_text(dataset) }} as dataset
        {{- '\n    union all' if not loop.last }}
    {%- else %}
    select null::text as subject_type, null::text as subject, null::text as dataset
    where false
    {%- endfor %}
{%- endmacro %}

{# Rows about the data sets as their contracts describe them, whether or not they ever delivered. #}
{% macro dataset_registry_rows() -%}
    {%- set sources = [] -%}
    {%- if execute -%}
        {%- for source in graph.sources.values() | selectattr('source_name', 'equalto', 'raw') | sort(attribute='name') -%}
            {%- do sources.append(source) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for source in sources %}
        {%- set meta = source.config.meta or source.meta or {} %}
    select
        {{ kpi_text(source.name) }} as dataset,
        {{ kpi_text(source.description) }} as description,
        {{ kpi_text(meta.owner) }} as owner,
        {{ kpi_text(meta.steward) }} as steward,
        {{ kpi_text(meta.licence) }} as licence,
        {{ kpi_text(meta.privacy) }} as privacy_class,
        {{ kpi_number(meta.tier, 'integer') }} as tier
        {{- '\n    union all' if not loop.last }}
    {%- else %}
    select
        null::text as dataset, null::text as description, null::text as owner, null::text as steward,
        null::text as licence, null::text as privacy_class, null::integer as tier
    where false
    {%- endfor %}
{%- endmacro %}

{# Rows about the published tables as their YAML describes them. #}
{% macro publish_registry_rows() -%}
    {%- set nodes = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | sort(attribute='name') -%}
            {%- if node.schema == 'publish_next' -%}{%- do nodes.append(node) -%}{%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for node in nodes %}
        {%- set keys = [] -%}
        {%- for constraint in node.constraints if constraint.type == 'primary_key' -%}
            {%- do keys.extend(constraint.columns) -%}
        {%- endfor %}
    select
        {{ kpi_text(node.alias or node.name) }} as table_name,
        {{ kpi_text(node.description) }} as description,
        {{ kpi_text(node.config.meta.grain) }} as grain,
        {{ kpi_text(keys | join(', ')) }} as row_key,
        {{ kpi_text(node.config.meta.owner) }} as owner,
        {{ kpi_text(node.config.meta.example_query) }} as example_query
        {{- '\n    union all' if not loop.last }}
    {%- else %}
    select
        null::text as table_name, null::text as description, null::text as grain, null::text as row_key,
        null::text as owner, null::text as example_query
    where false
    {%- endfor %}
{%- endmacro %}
