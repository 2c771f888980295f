-- What CityScore is made of: figures of the whole city that have a better direction, by the day where the source tells it
-- and by the month for other KPIs that are monthly. `place` counts days or months, so that a window is a difference of
-- places. A day has the target of its month or, until that is over, of the last month that has one. Counts of what
-- should be rare and has no set target (a rising number of crimes is no overshot target) are trend metrics. A target that
-- is computed is none here: CityScore makes its own from the past.
with kpis as (
    select
        *,
        unit = 'number'
        and is_flow
        and direction = 'down'
        and target_type in ('none', 'historical_baseline', 'peer_median') as is_trend
    from {{ ref('mart_kpi') }}
    where direction in ('up', 'down') and period_grain = 'month'
),

daily as (
    select * from {{ ref('int_daily_figures') }}
),

targets as (
    select
        kpi_id,
        period_start,
        target_value,
        lead(period_start, 1, 'infinity'::date) over (partition by kpi_id order by period_start) as next_start
    from {{ ref('kpi_target') }}
    where
        geography_type = 'city'
        and period_grain = 'month'
        and target_type not in ('historical_baseline', 'peer_median')
        and target_value is not null
)

select
    kpis.kpi_id,
    'day' as period_grain,
    daily.figure_date as period_start,
    daily.figure_date - '2000-01-01'::date as place,
    kpis.direction,
    kpis.is_trend,
    daily.value,
    targets.target_value as set_target
from daily
inner join kpis on daily.kpi_id = kpis.kpi_id
left join targets
    on
        daily.kpi_id = targets.kpi_id
        and daily.figure_date >= targets.period_start
        and daily.figure_date < targets.next_start
union all
select
    points.kpi_id,
    points.period_grain,
    points.period_start,
    (points.period_year * 12 + extract(month from points.period_start))::integer as place,
    kpis.direction,
    kpis.is_trend,
    points.value,
    targets.target_value as set_target
from {{ ref('kpi_current') }} as points
inner join kpis
    on
        points.kpi_id = kpis.kpi_id
        and points.period_grain = kpis.period_grain
left join targets
    on
        points.kpi_id = targets.kpi_id
        and points.period_start = targets.period_start
where
    points.geography_type = 'city'
    and points.value is not null
    and not exists (
        select 1 from daily
        where daily.kpi_id = points.kpi_id
    )
