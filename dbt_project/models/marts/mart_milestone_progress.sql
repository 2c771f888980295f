-- Milestones on time, slip and forecast drift on each day that a hand-in reflects, by division and in all.
with states as (
    select * from {{ ref('int_milestone_states') }}
    where status <> 'cancelled'
)

select
    case when grouping(division) = 1 then 'All divisions' else division end as division,
    day as as_of,
    count(*)::integer as milestones,
    count(*) filter (where is_due)::integer as due,
    count(*) filter (where is_due and is_on_time)::integer as on_time,
    count(*) filter (where is_due and actual_date > baseline_date)::integer as late,
    count(*) filter (where is_due and actual_date is null)::integer as overdue,
    {{ ratio('count(*) filter (where is_due and is_on_time)', 'count(*) filter (where is_due)') }} as on_time_share,
    {{ quantile('slip_days', 0.5) }} as median_slip_days,
    trim_scale(round(avg(slip_days), 10)) as mean_slip_days,
    max(slip_days) as largest_slip_days,
    count(*) filter (where forecast_drift_days > 0)::integer as forecasts_later,
    count(*) filter (where forecast_drift_days < 0)::integer as forecasts_earlier,
    trim_scale(round(avg(forecast_drift_days), 10)) as mean_forecast_drift_days
from states
group by grouping sets ((division, day), (day))
