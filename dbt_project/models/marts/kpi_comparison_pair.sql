-- Every point of a KPI beside what it is compared with: the period before, the same period last year, the year to date
-- a year earlier, the twelve months before the last twelve, and its target. Long: one row per point and kind of
-- comparison that applies to the KPI. A view: only the judgement reads it, and keeping the rows twice took longer than
-- pairing them.
{{ config(materialized='view') }}

with kpis as (
    select
        *,
        unit = 'percent' as is_share
    from {{ ref('mart_kpi') }}
),

points as (
    select
        current_points.*,
        kpis.direction,
        kpis.is_flow,
        kpis.is_share,
        kpis.multiplier,
        kpis.threshold_period,
        kpis.threshold_year,
        kpis.threshold_target,
        (current_points.period_start - {{ period_length('current_points.period_grain') }})::date as previous_start,
        (current_points.period_start - interval '1 year')::date as last_year_start
    from {{ ref('kpi_current') }} as current_points
    inner join kpis on current_points.kpi_id = kpis.kpi_id
),

-- A year ago is a window: a join would meet every period of the series.
paired as (
    select
        points.*,
        previous.value as previous_value,
        first_value(points.value) over a_year_ago as last_year_value,
        first_value(points.numerator) over a_year_ago as last_year_numerator,
        first_value(points.denominator) over a_year_ago as last_year_denominator
    from points
    left join points as previous
        on
            {{ same_series('points', 'previous') }}
            and points.previous_start = previous.period_start
    window a_year_ago as (
        partition by points.kpi_id, points.geography_type, points.geography_code, points.period_grain
        order by points.period_start
        range between interval '1 year' preceding and interval '1 year' preceding
    )
),

-- A year to date counts only periods that both years have.
shared as (
    select
        *,
        value is not null and last_year_value is not null as is_shared
    from paired
),

summed as (
    select
        *,
        count(numerator) filter (where is_shared) over year_so_far as ytd_periods,
        sum(numerator) filter (where is_shared) over year_so_far as ytd_numerator,
        sum(denominator) filter (where is_shared) over year_so_far as ytd_denominator,
        sum(last_year_numerator) filter (where is_shared) over year_so_far as ytd_last_year_numerator,
        sum(last_year_denominator) filter (where is_shared) over year_so_far as ytd_last_year_denominator,
        count(value) over last_12 as rolling_periods,
        sum(numerator) over last_12 as rolling_numerator,
        sum(denominator) over last_12 as rolling_denominator,
        count(value) over before_12 as earlier_periods,
        sum(numerator) over before_12 as earlier_numerator,
        sum(denominator) over before_12 as earlier_denominator
    from shared
    window
        year_so_far as (
            partition by kpi_id, geography_type, geography_code, period_grain, period_year order by period_start
        ),
        last_12 as (
            partition by kpi_id, geography_type, geography_code, period_grain order by period_start
            range between interval '11 months' preceding and current row
        ),
        before_12 as (
            partition by kpi_id, geography_type, geography_code, period_grain order by period_start
            range between interval '23 months' preceding and interval '12 months' preceding
        )
),

figures as (
    select
        *,
        {{ kpi_figure('ytd_numerator', 'ytd_denominator', 'multiplier') }} as ytd_value,
        {{ kpi_figure('ytd_last_year_numerator', 'ytd_last_year_denominator', 'multiplier') }} as ytd_last_year_value,
        -- Twelve months are twelve or there is no such sum.
        case
            when rolling_periods = 12 then {{ kpi_figure('rolling_numerator', 'rolling_denominator', 'multiplier') }}
        end as rolling_value,
        case
            when earlier_periods = 12 then {{ kpi_figure('earlier_numerator', 'earlier_denominator', 'multiplier') }}
        end as earlier_value
    from summed
),

targets as (
    select * from {{ ref('kpi_target') }}
)

select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    'period' as comparison,
    value as current_value,
    previous_value as compared_value,
    previous_start as compared_period_start,
    1 as periods,
    threshold_period as threshold,
    direction,
    is_share,
    null::text as target_type
from figures
union all
select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    'year' as comparison,
    value as current_value,
    last_year_value as compared_value,
    last_year_start as compared_period_start,
    1 as periods,
    threshold_year as threshold,
    direction,
    is_share,
    null::text as target_type
from figures
union all
select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    'ytd' as comparison,
    ytd_value as current_value,
    ytd_last_year_value as compared_value,
    last_year_start as compared_period_start,
    ytd_periods::integer as periods,
    threshold_year as threshold,
    direction,
    is_share,
    null::text as target_type
from figures
where is_flow and period_grain <> 'year'
union all
select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    'rolling_12' as comparison,
    rolling_value as current_value,
    earlier_value as compared_value,
    last_year_start as compared_period_start,
    rolling_periods::integer as periods,
    threshold_year as threshold,
    direction,
    is_share,
    null::text as target_type
from figures
where is_flow and period_grain = 'month'
union all
select
    figures.kpi_id,
    figures.kpi_version,
    figures.geography_type,
    figures.geography_code,
    figures.period_grain,
    figures.period_start,
    'target' as comparison,
    figures.value as current_value,
    -- Inside a range there is no distance to it; outside, the nearer end is what was missed.
    case
        when targets.target_type = 'range'
            then least(greatest(figures.value, targets.target_low), targets.target_high)
        else targets.target_value
    end as compared_value,
    figures.period_start as compared_period_start,
    1 as periods,
    figures.threshold_target as threshold,
    figures.direction,
    figures.is_share,
    targets.target_type
from figures
inner join targets
    on
        {{ same_series('figures', 'targets') }}
        and figures.period_start = targets.period_start
