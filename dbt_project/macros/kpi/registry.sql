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

{# A list of mappings as a jsonb literal: what YAML says reaches SQL in one piece, numbers digit by digit. #}
{% macro as_jsonb(rows) -%}
    '{{ tojson(rows, sort_keys=true) | replace("'", "''") }}'::jsonb
{%- endmacro %}

{# Every definition that a YAML file of a KPI gives (meta.kpi for one, meta.kpis for several), as rows of a query. At
   parse time the graph is empty, so it is a query without rows then. #}
{% macro kpi_registry_rows() -%}
    {%- set found = [] -%}
    {%- for node in (graph.nodes.values() if execute else []) if node.resource_type == 'model' -%}
        {%- set meta = node.config.meta or {} -%}
        {%- for kpi in [meta.kpi] + (meta.kpis or []) if kpi -%}
            {%- do found.append({'id': kpi.id | string, 'model': node.name, 'kpi': kpi}) -%}
        {%- endfor -%}
    {%- endfor -%}
    select
        definition ->> 'id' as kpi_id,
        definition ->> 'model' as model_name,
        definition #>> '{kpi, name, en}' as name_en,
        definition #>> '{kpi, name, fr}' as name_fr,
        definition #>> '{kpi, definition, en}' as definition_en,
        definition #>> '{kpi, definition, fr}' as definition_fr,
        definition #>> '{kpi, dimension}' as dimension,
        definition #>> '{kpi, report_section}' as report_section,
        definition #>> '{kpi, measure_type}' as measure_type,
        definition #>> '{kpi, unit}' as unit,
        (definition #>> '{kpi, decimals}')::integer as decimals,
        definition #>> '{kpi, direction}' as direction,
        definition #>> '{kpi, interval}' as period_grain,
        (definition #>> '{kpi, flow}')::boolean as is_flow,
        (definition #>> '{kpi, thresholds, period}')::numeric as threshold_period,
        (definition #>> '{kpi, thresholds, year}')::numeric as threshold_year,
        (definition #>> '{kpi, thresholds, target}')::numeric as threshold_target,
        definition #>> '{kpi, target_type}' as target_type,
        (definition #>> '{kpi, target, value}')::numeric as target_value,
        (definition #>> '{kpi, target, low}')::numeric as target_low,
        (definition #>> '{kpi, target, high}')::numeric as target_high,
        (definition #>> '{kpi, target, years}')::integer as target_baseline_years,
        (definition #>> '{kpi, multiplier}')::numeric as multiplier,
        definition #>> '{kpi, owner}' as owner,
        definition #>> '{kpi, steward}' as steward,
        (
            select string_agg(dataset, ', ' order by dataset)
            from jsonb_array_elements_text(definition #> '{kpi, sources}') as dataset
        ) as sources,
        definition #>> '{kpi, privacy_class}' as privacy_class,
        (definition #>> '{kpi, version}')::integer as version,
        (definition #>> '{kpi, suitable_for_signals}')::boolean as suitable_for_signals,
        definition #>> '{kpi, signals, basis}' as signal_basis,
        (definition #>> '{kpi, signals, baseline_points}')::integer as signal_baseline_points,
        definition #>> '{kpi, signals, reason, en}' as signal_reason_en,
        definition #>> '{kpi, signals, reason, fr}' as signal_reason_fr
    from jsonb_array_elements({{ as_jsonb(found | sort(attribute='id')) }}) as definition
{%- endmacro %}

{# Recorded breaks after which the limits of a KPI's chart start anew (meta.kpi.signals.rebase), one row each. #}
{% macro kpi_rebase_rows() -%}
    {%- set found = [] -%}
    {%- for node in (graph.nodes.values() if execute else []) if node.resource_type == 'model' -%}
        {%- set meta = node.config.meta or {} -%}
        {%- for kpi in [meta.kpi] + (meta.kpis or []) if kpi -%}
            {%- for break in (kpi.signals or {}).rebase or [] -%}
                {%- do found.append({
                    'kpi_id': kpi.id | string, 'starts_on': break.from | string,
                    'reason_en': break.reason.en, 'reason_fr': break.reason.fr,
                }) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    select
        kpi_id,
        starts_on,
        reason_en,
        reason_fr
    from jsonb_to_recordset({{ as_jsonb(found | sort(attribute='kpi_id')) }})
        as recorded (kpi_id text, starts_on date, reason_en text, reason_fr text)
{%- endmacro %}
