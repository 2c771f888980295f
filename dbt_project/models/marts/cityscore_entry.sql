-- What CityScore is made of: figures of the whole city of the KPIs that come by the day or the month and have a better
-- direction. `place` counts days or months, so that a window is a difference of places. Counts of what should be rare and
-- has no target (a rising number of crimes is no overshot target) are trend metrics.
with kpis as (
    select * from {{ ref('mart_kpi') }}
    where direction in ('up', 'down') and period_grain in ('day', 'month')
)

select
    points.kpi_id,
    points.period_grain,
    points.period_start,
    case points.period_grain
        when 'day' then points.period_start - '2000-01-01'::date
        else (points.period_year * 12 + extract(month from points.period_start))::integer
    end as place,
    kpis.direction,
    kpis.unit = 'number' and kpis.is_flow and kpis.direction = 'down' and kpis.target_type = 'none' as is_trend,
    points.value,
    targets.target_value as set_target
from {{ ref('kpi_current') }} as points
inner join kpis
    on
        points.kpi_id = kpis.kpi_id
        and points.period_grain = kpis.period_grain
left join {{ ref('kpi_target') }} as targets
    on
        {{ same_series('points', 'targets') }}
        and points.period_start = targets.period_start
where points.geography_type = 'city' and points.value is not null
