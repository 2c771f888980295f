-- One row per division and day that a hand-in reflects, also in all.
select
    division,
    as_of,
    milestones,
    due,
    on_time,
    late,
    overdue,
    on_time_share,
    median_slip_days,
    mean_slip_days,
    largest_slip_days,
    forecasts_later,
    forecasts_earlier,
    mean_forecast_drift_days
from {{ ref('mart_milestone_progress') }}
