-- XmR charts of all KPIs and areas at once, by the rules of the NHS programme Making Data Count. Per phase: the mean, the
-- average moving range without the ranges of 3.267 times their average or more, limits 2.66 average ranges from the
-- mean. Four special causes, the first that holds names the point: outside the limits; seven points rising or falling;
-- two of three close to a limit, all three on one side of the mean; seven points on one side of the mean.
with series as (
    select * from {{ ref('kpi_signal_series') }}
),

moved as (
    select
        *,
        coalesce(place <= baseline_points, true) as in_baseline,
        abs(charted - lag(charted) over by_time) as moving_range,
        sign(charted - lag(charted) over by_time) as step
    from series
    window by_time as (
        partition by kpi_id, geography_type, geography_code, period_grain, phase order by period_start
    )
),

ranged as (
    select
        *,
        count(*) over in_phase as phase_points,
        avg(charted) filter (where in_baseline) over in_phase as mean,
        avg(moving_range) filter (where in_baseline) over in_phase as every_range
    from moved
    window in_phase as (partition by kpi_id, geography_type, geography_code, period_grain, phase)
),

screened as (
    select
        *,
        -- A series that never moves has no range to screen.
        case
            when every_range = 0 then 0
            else
                avg(moving_range) filter (where in_baseline and moving_range < 3.267 * every_range) over in_phase
        end as average_range
    from ranged
    window in_phase as (partition by kpi_id, geography_type, geography_code, period_grain, phase)
),

limited as (
    select
        *,
        trim_scale(round(mean - 2.66 * average_range, 12)) as lower_limit,
        trim_scale(round(mean + 2.66 * average_range, 12)) as upper_limit,
        mean - 2.66 * average_range * 2 / 3 as near_lower_limit,
        mean + 2.66 * average_range * 2 / 3 as near_upper_limit
    from screened
),

placed as (
    select
        *,
        sign(round(charted - mean, 12)) as side,
        coalesce(charted > upper_limit or charted < lower_limit, false) as is_outside,
        coalesce(
            charted between lower_limit and upper_limit
            and (charted > near_upper_limit or charted < near_lower_limit),
            false
        ) as is_close
    from limited
),

-- Where a pattern is complete: sums of signs reach the number of points only if all have the same one.
completed as (
    select
        *,
        sum(step) over (by_time rows between 5 preceding and current row) as steps,
        sum(side) over (by_time rows between 6 preceding and current row) as sides_of_seven,
        sum(side) over (by_time rows between 2 preceding and current row) as sides_of_three,
        sum(is_close::integer) over (by_time rows between 2 preceding and current row) as close_of_three
    from placed
    window by_time as (
        partition by kpi_id, geography_type, geography_code, period_grain, phase order by period_start
    )
),

-- A point belongs to a pattern that it, or one of the points after it, completes.
patterned as (
    select
        *,
        coalesce(bool_or(abs(steps) = 6) over seven, false) as is_in_trend,
        coalesce(bool_or(abs(sides_of_seven) = 7) over seven, false) as is_in_run,
        is_close
        and coalesce(bool_or(close_of_three >= 2 and abs(sides_of_three) = 3) over three, false) as is_in_two_of_three
    from completed
    window
        by_time as (
            partition by kpi_id, geography_type, geography_code, period_grain, phase order by period_start
        ),
        seven as (by_time rows between current row and 6 following),
        three as (by_time rows between current row and 2 following)
),

named as (
    select
        *,
        case
            when is_outside then 'outside_limits'
            when is_in_trend then 'seven_point_trend'
            when is_in_two_of_three then 'two_of_three_near_limit'
            when is_in_run then 'seven_on_one_side'
        end as special_cause
    from patterned
)

select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    phase,
    place,
    phase_points::integer as phase_points,
    -- Under twelve points the limits still move much with each new one.
    phase_points < 12 as is_trial,
    value,
    signal_basis,
    charted,
    trim_scale(round(mean, 12)) as mean,
    trim_scale(round(average_range, 12)) as average_moving_range,
    lower_limit,
    upper_limit,
    special_cause,
    case
        when special_cause is null then 'common_cause'
        when direction not in ('up', 'down') and side >= 0 then 'neutral_high'
        when direction not in ('up', 'down') then 'neutral_low'
        when side = case direction when 'up' then 1 else -1 end then 'improvement'
        else 'concern'
    end as point_type
from named
