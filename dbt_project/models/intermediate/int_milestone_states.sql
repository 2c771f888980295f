-- Milestones on each day that a hand-in reflects, as far as their divisions had handed in by then.
with states as (
    {{ register_states(ref('int_milestones_history')) }}
)

select
    division,
    milestone_id,
    project_id,
    day,
    status,
    baseline_date,
    forecast_date,
    actual_date,
    status <> 'cancelled' and baseline_date <= day as is_due,
    coalesce(actual_date <= baseline_date, false) as is_on_time,
    coalesce(actual_date, forecast_date) - baseline_date as slip_days,
    case when actual_date is null then forecast_date - lag(forecast_date) over by_day end as forecast_drift_days
from states
window by_day as (partition by division, milestone_id order by day)
