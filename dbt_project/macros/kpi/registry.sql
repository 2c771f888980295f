{# Names of all KPI models. dbt has no way to ask which files lie in a folder, so whoever starts dbt looks and says:
   a new KPI is then one SQL file and one YAML file and nothing else. dbt reparses what reads a variable of the
   environment when it changes. Gives the names separated by commas. #}
{% macro kpi_models() -%}
    {%- set names = [] -%}
    {%- for name in env_var('CITYPERF_KPI_MODELS', '').split(',') if name | trim -%}
        {%- do names.append(name | trim) -%}
    {%- endfor -%}
    {%- if execute and names | length == 0 -%}
        {%- do exceptions.raise_compiler_error(
            "CITYPERF_KPI_MODELS is empty: expected the names of all models under models/kpis, separated by commas. "
            ~ "The refresh sets it; by hand: export CITYPERF_KPI_MODELS=$(find models/kpis -name '*.sql' -printf '%f\\n' "
            ~ "| sed 's/.sql$//' | sort | paste -sd,)") -%}
    {%- endif -%}
    {{- names | sort | join(',') -}}
{%- endmacro %}

{% macro kpi_text(value) -%}
    {%- if value is none or value is undefined -%}
        null::text
    {%- else -%}
        {{ dbt.string_literal(dbt.escape_single_quotes(value | string)) }}
    {%- endif -%}
{%- endmacro %}

{% macro kpi_number(value, type='numeric') -%}
    {%- if value is none or value is undefined -%}null::{{ type }}{%- else -%}{{ value }}::{{ type }}{%- endif -%}
{%- endmacro %}

{% macro kpi_flag(value) -%}
    {%- if value is none or value is undefined -%}null::boolean{%- else -%}{{ value | string | lower }}{%- endif -%}
{%- endmacro %}

{# Every definition that a YAML file of a KPI gives (meta.kpi for one, meta.kpis for several), in the order of ids. #}
{% macro kpi_definitions() -%}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | sort(attribute='name') -%}
        {%- set meta = node.config.meta or {} -%}
        {%- if meta.kpi -%}
            {%- do found.append({'id': meta.kpi.id | string, 'model': node.name, 'kpi': meta.kpi}) -%}
        {%- endif -%}
        {%- for each in meta.kpis or [] -%}
            {%- do found.append({'id': each.id | string, 'model': node.name, 'kpi': each}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found | sort(attribute='id')) }}
{%- endmacro %}

{# The definitions as rows of a query. At parse time the graph is empty, so it is a query without rows then. #}
{% macro kpi_registry_rows() -%}
    {%- set definitions = kpi_definitions() if execute else [] -%}
    {%- for definition in definitions %}
        {%- set kpi = definition.kpi -%}
        {%- set thresholds = kpi.thresholds or {} -%}
        {%- set target = kpi.target or {} %}
    select
        {{ kpi_text(definition.id) }} as kpi_id,
        {{ kpi_text(definition.model) }} as model_name,
        {{ kpi_text((kpi.name or {}).en) }} as name_en,
        {{ kpi_text((kpi.name or {}).fr) }} as name_fr,
        {{ kpi_text((kpi.definition or {}).en) }} as definition_en,
        {{ kpi_text((kpi.definition or {}).fr) }} as definition_fr,
        {{ kpi_text(kpi.dimension) }} as dimension,
        {{ kpi_text(kpi.report_section) }} as report_section,
        {{ kpi_text(kpi.measure_type) }} as measure_type,
        {{ kpi_text(kpi.unit) }} as unit,
        {{ kpi_number(kpi.decimals, 'integer') }} as decimals,
        {{ kpi_text(kpi.direction) }} as direction,
        {{ kpi_text(kpi.interval) }} as period_grain,
        {{ kpi_flag(kpi.flow) }} as is_flow,
        {{ kpi_number(thresholds.period) }} as threshold_period,
        {{ kpi_number(thresholds.year) }} as threshold_year,
        {{ kpi_number(thresholds.target) }} as threshold_target,
        {{ kpi_text(kpi.target_type) }} as target_type,
        {{ kpi_number(target.value) }} as target_value,
        {{ kpi_number(target.low) }} as target_low,
        {{ kpi_number(target.high) }} as target_high,
        {{ kpi_number(target.years, 'integer') }} as target_baseline_years,
        {{ kpi_number(kpi.multiplier) }} as multiplier,
        {{ kpi_text(kpi.owner) }} as owner,
        {{ kpi_text(kpi.steward) }} as steward,
        {{ kpi_text((kpi.sources or []) | sort | join(', ')) }} as sources,
        {{ kpi_text(kpi.privacy_class) }} as privacy_class,
        {{ kpi_number(kpi.version, 'integer') }} as version,
        {{ kpi_flag(kpi.suitable_for_signals) }} as suitable_for_signals
        {{ 'union all' if not loop.last }}
    {%- else %}
    select
        null::text as kpi_id, null::text as model_name, null::text as name_en, null::text as name_fr,
        null::text as definition_en, null::text as definition_fr, null::text as dimension,
        null::text as report_section, null::text as measure_type, null::text as unit, null::integer as decimals,
        null::text as direction, null::text as period_grain, null::boolean as is_flow,
        null::numeric as threshold_period, null::numeric as threshold_year, null::numeric as threshold_target,
        null::text as target_type, null::numeric as target_value, null::numeric as target_low,
        null::numeric as target_high, null::integer as target_baseline_years,
        null::numeric as multiplier, null::text as owner, null::text as steward, null::text as sources,
        null::text as privacy_class, null::integer as version, null::boolean as suitable_for_signals
    where false
    {%- endfor %}
{%- endmacro %}
