{# Names of the raw data sets that a node is made of, however far up. Nodes that read about data rather than data
   (meta.lineage: metadata) have none. `known` keeps what was found, so that each node is walked once. #}
{% macro raw_datasets(unique_id, known) -%}
    {%- if unique_id not in known -%}
        {%- set found = [] -%}
        {%- if unique_id in graph.sources -%}
            {%- if graph.sources[unique_id].source_name == 'raw' -%}
                {%- do found.append(graph.sources[unique_id].name) -%}
            {%- endif -%}
        {%- elif unique_id in graph.nodes -%}
            {%- set node = graph.nodes[unique_id] -%}
            {%- if (node.config.meta or {}).lineage != 'metadata' -%}
                {%- for parent in node.depends_on.nodes -%}
                    {%- for name in raw_datasets(parent, known) if name not in found -%}
                        {%- do found.append(name) -%}
                    {%- endfor -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endif -%}
        {%- do known.update({unique_id: found}) -%}
    {%- endif -%}
    {{ return(known[unique_id]) }}
{%- endmacro %}

{# Rows (subject_type, subject, dataset): every published table and every KPI model with the data sets behind it. #}
{% macro lineage_registry_rows() -%}
    {%- set rows = [] -%}
    {%- set known = {} -%}
    {%- for node in (graph.nodes.values() if execute else []) if node.resource_type == 'model' -%}
        {%- set meta = node.config.meta or {} -%}
        {%- set kind = 'table' if node.schema == 'publish_next' else ('model' if meta.kpi or meta.kpis else none) -%}
        {%- if kind -%}
            {%- for dataset in raw_datasets(node.unique_id, known) | sort -%}
                {%- do rows.append({'subject_type': kind, 'subject': node.name, 'dataset': dataset}) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    select
        subject_type,
        subject,
        dataset
    from jsonb_to_recordset({{ as_jsonb(rows | sort(attribute='subject')) }})
        as declared (subject_type text, subject text, dataset text)
{%- endmacro %}

{# Rows about the data sets as their contracts describe them, whether or not they ever delivered; with how many of the
   columns that staging gives them are described, and under how many tags they stand. #}
{% macro dataset_registry_rows() -%}
    {%- set rows = [] -%}
    {%- set staged = {} -%}
    {%- for node in (graph.nodes.values() if execute else [])
        if node.resource_type == 'model' and node.schema == 'staging' -%}
        {%- for parent in node.depends_on.nodes if parent in graph.sources -%}
            {%- set known = staged.get(parent, {'columns': 0, 'described': 0, 'tags': 0}) -%}
            {%- set described = node.columns.values() | selectattr('description') | list | length -%}
            {%- do staged.update({parent: {
                'columns': known.columns + node.columns | length, 'described': known.described + described,
                'tags': known.tags + node.tags | length,
            }}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for source in (graph.sources.values() if execute else []) if source.source_name == 'raw' -%}
        {%- set meta = source.config.meta or source.meta or {} -%}
        {%- set known = staged.get(source.unique_id, {}) -%}
        {%- do rows.append({
            'dataset': source.name, 'description': source.description, 'owner': meta.owner, 'steward': meta.steward,
            'licence': meta.licence, 'privacy_class': meta.privacy, 'tier': meta.tier, 'connector': meta.connector,
            'refresh': meta.refresh, 'promised_days': meta.promised_days, 'columns_staged': known.columns,
            'columns_described': known.described, 'tags': known.tags,
        }) -%}
    {%- endfor -%}
    select
        dataset,
        description,
        owner,
        steward,
        licence,
        privacy_class,
        tier,
        connector,
        refresh,
        promised_days,
        coalesce(columns_staged, 0) as columns_staged,
        coalesce(columns_described, 0) as columns_described,
        coalesce(tags, 0) as tags
    from jsonb_to_recordset({{ as_jsonb(rows | sort(attribute='dataset')) }})
        as described (
            dataset text, description text, owner text, steward text, licence text, privacy_class text, tier integer,
            connector text, refresh text, promised_days integer, columns_staged integer, columns_described integer,
            tags integer
        )
{%- endmacro %}

{# Rows about the published tables as their YAML describes them. #}
{% macro publish_registry_rows() -%}
    {%- set rows = [] -%}
    {%- for node in (graph.nodes.values() if execute else [])
        if node.resource_type == 'model' and node.schema == 'publish_next' -%}
        {%- set keys = [] -%}
        {%- for constraint in node.constraints if constraint.type == 'primary_key' -%}
            {%- do keys.extend(constraint.columns) -%}
        {%- endfor -%}
        {%- do rows.append({
            'table_name': node.alias or node.name, 'description': node.description, 'grain': node.config.meta.grain,
            'row_key': keys | join(', '), 'owner': node.config.meta.owner,
            'example_query': node.config.meta.example_query,
        }) -%}
    {%- endfor -%}
    select
        table_name,
        description,
        grain,
        row_key,
        owner,
        example_query
    from jsonb_to_recordset({{ as_jsonb(rows | sort(attribute='table_name')) }})
        as described (
            table_name text, description text, grain text, row_key text, owner text, example_query text
        )
{%- endmacro %}
