-- Neighbourhoods side by side in each KPI's latest period, among those of the same model. Rank 1 is best by the KPI's
-- direction.
with figures as (
    select *
    from {{ ref('kpi_current') }}
    where geography_type in ('neighbourhood_140', 'neighbourhood_158') and value is not null
),

latest as (
    select
        kpi_id,
        geography_type,
        period_grain,
        max(period_start) as period_start
    from figures
    group by kpi_id, geography_type, period_grain
),

placed as (
    select
        figures.kpi_id,
        figures.geography_type,
        figures.geography_code,
        figures.period_grain,
        figures.period_start,
        figures.value,
        kpis.direction,
        areas.geography_name,
        areas.is_improvement_area
    from figures
    inner join latest
        on
            figures.kpi_id = latest.kpi_id
            and figures.geography_type = latest.geography_type
            and figures.period_grain = latest.period_grain
            and figures.period_start = latest.period_start
    inner join {{ ref('mart_kpi') }} as kpis on figures.kpi_id = kpis.kpi_id
    inner join {{ ref('mart_geography') }} as areas
        on
            figures.geography_type = areas.geography_type
            and figures.geography_code = areas.geography_code
),

medians as (
    select
        kpi_id,
        geography_type,
        period_grain,
        count(*)::integer as neighbourhoods,
        {{ quantile('value', 0.5) }} as median
    from placed
    group by kpi_id, geography_type, period_grain
)

select
    placed.kpi_id,
    placed.geography_type,
    placed.geography_code,
    placed.geography_name,
    placed.is_improvement_area,
    placed.period_grain,
    placed.period_start,
    placed.value,
    city.value as city_value,
    medians.median,
    medians.neighbourhoods,
    case placed.direction
        when 'up' then rank() over (from_highest)
        when 'down' then rank() over (from_lowest)
    end::integer as rank,
    (rank() over (from_highest))::integer as rank_from_highest
from placed
inner join medians
    on
        placed.kpi_id = medians.kpi_id
        and placed.geography_type = medians.geography_type
        and placed.period_grain = medians.period_grain
left join {{ ref('kpi_current') }} as city
    on
        placed.kpi_id = city.kpi_id
        and placed.period_grain = city.period_grain
        and placed.period_start = city.period_start
        and city.geography_type = 'city'
window
    from_highest as (partition by placed.kpi_id, placed.geography_type, placed.period_grain order by placed.value desc),
    from_lowest as (partition by placed.kpi_id, placed.geography_type, placed.period_grain order by placed.value)
