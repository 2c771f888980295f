-- Every figure with every value it has had. A row is written when a figure is new, when it changed, and when its point
-- vanished from a KPI that is still computed. The night's own rows are taken out first, so a night can be repeated; a
-- figure computed from a new definition (version) starts a series of its own and withdraws nothing.
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false,
        pre_hook="{{ forget_vintage(this) }}",
        indexes=[{'columns': ['kpi_id', 'geography_type', 'geography_code', 'period_start', 'vintage']}],
    )
}}

with tonight as (
    select * from {{ ref('kpi_point') }}
    where geography_code <> 'unplaced'
),

{% if is_incremental() %}
    standing as (
        select distinct on (kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start) *
        from {{ this }}
        where vintage < '{{ night() }}'::date
        order by kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start, vintage desc
    ),

    computed as (
        select distinct
            kpi_id,
            kpi_version
        from tonight
    ),

    changed as (
        select tonight.*
        from tonight
        left join standing
            on
                {{ same_series('tonight', 'standing', version=true) }}
                and tonight.period_start = standing.period_start
        where
            standing.kpi_id is null
            or standing.is_withdrawn
            or standing.value is distinct from tonight.value
    ),

    withdrawn as (
        select standing.*
        from standing
        inner join computed
            on
                standing.kpi_id = computed.kpi_id
                and standing.kpi_version = computed.kpi_version
        left join tonight
            on
                {{ same_series('standing', 'tonight', version=true) }}
                and standing.period_start = tonight.period_start
        where tonight.kpi_id is null and not standing.is_withdrawn
    )
{% else %}
    changed as (
        select * from tonight
    )
{% endif %}

select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    '{{ night() }}'::date as vintage,
    value,
    numerator,
    denominator,
    false as is_withdrawn
from changed
{% if is_incremental() %}
    union all
    select
        kpi_id,
        kpi_version,
        geography_type,
        geography_code,
        period_grain,
        period_start,
        '{{ night() }}'::date as vintage,
        null::numeric as value,
        null::numeric as numerator,
        null::numeric as denominator,
        true as is_withdrawn
    from withdrawn
{% endif %}
