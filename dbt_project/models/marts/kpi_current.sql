-- Each point of a KPI's present definition as it stands now, beside its first published value. Withdrawn points are
-- left out.
-- Analyzed at once: what stands on it is planned before autovacuum comes by.
{{ config(post_hook="analyze {{ this }}") }}

with vintages as (
    select kpi_value.*
    from {{ ref('mart_kpi_value') }} as kpi_value
    inner join {{ ref('mart_kpi') }} as kpi
        on
            kpi_value.kpi_id = kpi.kpi_id
            and kpi_value.kpi_version = kpi.version
),

ranked as (
    select
        *,
        row_number() over (from_newest) as place_from_newest,
        count(*) over (every) as vintages,
        min(vintage) over (every) as first_vintage,
        first_value(value) over (from_oldest) as first_value
    from vintages
    window
        every as (partition by kpi_id, geography_type, geography_code, period_grain, period_start),
        from_newest as (every order by vintage desc),
        from_oldest as (every order by vintage)
)

select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    {{ period_year('period_grain', 'period_start') }} as period_year,
    value,
    numerator,
    denominator,
    vintage,
    first_value,
    first_vintage,
    vintages::integer as vintages
from ranked
where place_from_newest = 1 and not is_withdrawn
