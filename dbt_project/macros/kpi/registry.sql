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
    '{{ tojson(with_days_as_text(rows), sort_keys=true) | replace("'", "''") }}'::jsonb
{%- endmacro %}

{# A day of YAML is a date, which JSON has not. #}
{% macro with_days_as_text(value) -%}
    {%- if value is mapping -%}
        {%- set copy = {} -%}
        {%- for key in value -%}
            {%- do copy.update({key: with_days_as_text(value[key])}) -%}
        {%- endfor -%}
        {{ return(copy) }}
    {%- elif value is iterable and value is not string -%}
        {%- set copy = [] -%}
        {%- for each in value -%}
            {%- do copy.append(with_days_as_text(each)) -%}
        {%- endfor -%}
        {{ return(copy) }}
    {%- elif value is none or value is string or value is number or value is boolean -%}
        {{ return(value) }}
    {%- else -%}
        {{ return(value | string) }}
    {%- endif -%}
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
        definition #>> '{kpi, objective}' as objective,
        definition #>> '{kpi, measure_type}' as measure_type,
        definition #>> '{kpi, logic_level}' as logic_level,
        definition #>> '{kpi, unit}' as unit,
        (definition #>> '{kpi, decimals}')::integer as decimals,
        definition #>> '{kpi, direction}' as direction,
        definition #>> '{kpi, interval}' as period_grain,
        (definition #>> '{kpi, flow}')::boolean as is_flow,
        definition #>> '{kpi, rollup, geography}' as rollup_geography,
        definition #>> '{kpi, rollup, time}' as rollup_time,
        definition #>> '{kpi, rollup, reason, en}' as rollup_reason_en,
        definition #>> '{kpi, rollup, reason, fr}' as rollup_reason_fr,
        (definition #>> '{kpi, thresholds, period}')::numeric as threshold_period,
        (definition #>> '{kpi, thresholds, year}')::numeric as threshold_year,
        (definition #>> '{kpi, thresholds, target}')::numeric as threshold_target,
        definition #>> '{kpi, target_type}' as target_type,
        (definition #>> '{kpi, target, value}')::numeric as target_value,
        (definition #>> '{kpi, target, low}')::numeric as target_low,
        (definition #>> '{kpi, target, high}')::numeric as target_high,
        coalesce(definition #>> '{kpi, target, years}', definition #>> '{kpi, baseline_years}')::integer
            as target_baseline_years,
        definition #>> '{kpi, target_note, en}' as target_note_en,
        definition #>> '{kpi, target_note, fr}' as target_note_fr,
        (definition #>> '{kpi, multiplier}')::numeric as multiplier,
        definition #>> '{kpi, owner}' as owner,
        definition #>> '{kpi, steward}' as steward,
        (
            select string_agg(dataset, ', ' order by dataset)
            from jsonb_array_elements_text(definition #> '{kpi, sources}') as dataset
        ) as sources,
        definition #>> '{kpi, privacy_class}' as privacy_class,
        definition #>> '{kpi, crosswalk, mbncanada}' as mbncanada_measure,
        definition #>> '{kpi, crosswalk, iso_37120}' as iso_37120_indicator,
        definition #>> '{kpi, crosswalk, report_card}' as report_card_indicator,
        coalesce(definition #>> '{kpi, lifecycle, state}', 'active') as lifecycle_state,
        (definition #>> '{kpi, lifecycle, since}')::date as lifecycle_since,
        definition #>> '{kpi, lifecycle, note, en}' as lifecycle_note_en,
        definition #>> '{kpi, lifecycle, note, fr}' as lifecycle_note_fr,
        (definition #>> '{kpi, version}')::integer as version,
        (definition #>> '{kpi, versions, -1, effective}')::date as version_effective_on,
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

{# Versions of definitions that YAML records (meta.kpi.versions), one row each. #}
{% macro kpi_version_rows() -%}
    {%- set found = [] -%}
    {%- for node in (graph.nodes.values() if execute else []) if node.resource_type == 'model' -%}
        {%- set meta = node.config.meta or {} -%}
        {%- for kpi in [meta.kpi] + (meta.kpis or []) if kpi -%}
            {%- for entry in kpi.versions or [] -%}
                {%- do found.append({
                    'kpi_id': kpi.id | string, 'kpi_version': entry.version, 'effective_on': entry.effective,
                    'note_en': entry.note.en, 'note_fr': entry.note.fr,
                }) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    select
        kpi_id,
        kpi_version,
        effective_on,
        note_en,
        note_fr
    from jsonb_to_recordset({{ as_jsonb(found | sort(attribute='kpi_id')) }})
        as recorded (kpi_id text, kpi_version integer, effective_on date, note_en text, note_fr text)
{%- endmacro %}

{# Steps of the trajectories that YAML sets for our own KPIs (meta.kpi.target.steps), one row each. #}
{% macro kpi_trajectory_rows() -%}
    {%- set found = [] -%}
    {%- for node in (graph.nodes.values() if execute else []) if node.resource_type == 'model' -%}
        {%- set kpi = (node.config.meta or {}).kpi -%}
        {%- for step in ((kpi or {}).target or {}).steps or [] -%}
            {%- do found.append({
                'kpi_id': kpi.id | string, 'starts_on': step.from, 'target_value': step.value,
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    select
        kpi_id,
        starts_on,
        target_value
    from jsonb_to_recordset({{ as_jsonb(found | sort(attribute='kpi_id')) }})
        as planned (kpi_id text, starts_on date, target_value numeric)
{%- endmacro %}

{# The reviewed list of editions that stands in the YAML of the model that asks, as jsonb. #}
{% macro listed_editions() -%}
    {{ as_jsonb((model.config.meta or {}).get('editions', []) if execute else []) }}
{%- endmacro %}
