-- What a figure is measured against: one row per KPI, place and period that has a target, future periods too where the
-- target is a trajectory.
-- Analyzed at once: what stands on it is planned before autovacuum comes by.
{{ config(post_hook="analyze {{ this }}") }}

with kpis as (
    select * from {{ ref('mart_kpi') }}
),

points as (
    select * from {{ ref('kpi_current') }}
),

trajectories as (
    select
        measure_id as kpi_id,
        'city' as geography_type,
        'toronto' as geography_code,
        period_grain,
        period_start,
        'trajectory' as target_type,
        target as target_value,
        null::numeric as target_low,
        null::numeric as target_high
    from {{ ref('int_dashboard_points') }}
    where target is not null
),

steps as (
    {{ kpi_trajectory_rows() | indent(4) }}
),

-- Of our own trajectories the latest step that has begun counts; before the first there is no target.
planned as (
    select distinct on (
        points.kpi_id, points.geography_type, points.geography_code, points.period_grain, points.period_start
    )
        points.kpi_id,
        points.geography_type,
        points.geography_code,
        points.period_grain,
        points.period_start,
        'trajectory' as target_type,
        steps.target_value,
        null::numeric as target_low,
        null::numeric as target_high
    from points
    inner join steps on points.kpi_id = steps.kpi_id and points.period_start >= steps.starts_on
    order by
        points.kpi_id, points.geography_type, points.geography_code, points.period_grain, points.period_start,
        steps.starts_on desc
),

constants as (
    select
        points.kpi_id,
        points.geography_type,
        points.geography_code,
        points.period_grain,
        points.period_start,
        kpis.target_type,
        case when kpis.target_type <> 'range' then kpis.target_value end as target_value,
        case when kpis.target_type = 'range' then kpis.target_low end as target_low,
        case when kpis.target_type = 'range' then kpis.target_high end as target_high
    from points
    inner join kpis on points.kpi_id = kpis.kpi_id
    where kpis.target_type in ('floor', 'ceiling', 'service_standard', 'range')
),

-- Mean of the figures of the years before, of the same season where the KPI is charted by season; only a full set of
-- years is a baseline. A year's figures are summed first, so that each point meets a handful of years.
seasons as (
    select
        points.*,
        kpis.target_baseline_years,
        case
            when kpis.signal_basis = 'same_season' then extract(month from points.period_start) else 0
        end as season
    from points
    inner join kpis on points.kpi_id = kpis.kpi_id and kpis.target_type = 'historical_baseline'
),

years as (
    select
        kpi_id,
        geography_type,
        geography_code,
        period_grain,
        season,
        period_year,
        target_baseline_years,
        sum(value) as total,
        count(value) as figures
    from seasons
    group by
        kpi_id,
        geography_type,
        geography_code,
        period_grain,
        season,
        period_year,
        target_baseline_years
),

averages as (
    select
        years.kpi_id,
        years.geography_type,
        years.geography_code,
        years.period_grain,
        years.season,
        years.period_year,
        trim_scale(round(sum(earlier.total) / sum(earlier.figures), 12)) as target_value
    from years
    cross join lateral generate_series(1, years.target_baseline_years) as ago (years_before)
    inner join years as earlier
        on
            {{ same_series('years', 'earlier') }}
            and years.season = earlier.season
            and years.period_year - ago.years_before = earlier.period_year
    where earlier.figures > 0
    group by
        years.kpi_id,
        years.geography_type,
        years.geography_code,
        years.period_grain,
        years.season,
        years.period_year,
        years.target_baseline_years
    having count(*) = years.target_baseline_years
),

baselines as (
    select
        seasons.kpi_id,
        seasons.geography_type,
        seasons.geography_code,
        seasons.period_grain,
        seasons.period_start,
        'historical_baseline' as target_type,
        averages.target_value,
        null::numeric as target_low,
        null::numeric as target_high
    from seasons
    inner join averages
        on
            {{ same_series('seasons', 'averages') }}
            and seasons.season = averages.season
            and seasons.period_year = averages.period_year
),

-- Median of those that reported the same measure for the year, the City among them. Results come a year after the year
-- they are of: until then, and at most two years, the last known median stands. Outside the sample the results have no
-- licence, and a target made of them would keep every table with a comparison from leaving the warehouse (ADR 0009).
peer_medians as (
    {% if profile() == 'sample' %}
        select distinct on (points.kpi_id, points.period_start)
            points.kpi_id,
            points.geography_type,
            points.geography_code,
            points.period_grain,
            points.period_start,
            'peer_median' as target_type,
            benchmarks.median as target_value,
            null::numeric as target_low,
            null::numeric as target_high
        from points
        inner join kpis on points.kpi_id = kpis.kpi_id and kpis.target_type = 'peer_median'
        inner join {{ ref('mart_benchmark') }} as benchmarks
            on
                kpis.mbncanada_measure = benchmarks.measure_code
                and benchmarks.period_year between points.period_year - 2 and points.period_year
        where points.geography_type = 'city'
        order by points.kpi_id, points.period_start, benchmarks.period_year desc
    {% else %}
        select * from baselines
        where false
    {% endif %}
)

select * from trajectories
union all
select * from planned
union all
select * from constants
union all
select * from peer_medians
union all
select * from baselines
