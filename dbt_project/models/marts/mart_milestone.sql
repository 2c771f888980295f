-- Each milestone as last known, with what became of its forecast from hand-in to hand-in. One that left the register
-- stays, marked as removed.
with history as (
    select
        *,
        lag(forecast_date) over (partition by division, milestone_id order by hand_in) as previous_forecast
    from {{ ref('int_milestones_history') }}
),

counted as (
    select
        division,
        milestone_id,
        count(*) filter (where not is_removed) as hand_ins,
        count(*) filter (where not is_removed and forecast_date <> previous_forecast) as forecast_moves,
        (array_agg(forecast_date order by hand_in) filter (where forecast_date is not null))[1] as first_forecast
    from history
    group by division, milestone_id
)

select
    latest.division,
    latest.milestone_id,
    latest.project_id,
    latest.milestone,
    latest.status,
    latest.previous_status,
    latest.is_removed,
    latest.baseline_date,
    latest.forecast_date,
    latest.actual_date,
    coalesce(latest.actual_date, latest.forecast_date) - latest.baseline_date as slip_days,
    latest.forecast_date - latest.previous_forecast as forecast_drift_days,
    latest.forecast_date - counted.first_forecast as total_drift_days,
    counted.forecast_moves::integer as forecast_moves,
    counted.hand_ins::integer as hand_ins,
    case when latest.actual_date is not null then latest.actual_date <= latest.baseline_date end as is_on_time,
    latest.actual_date is null and latest.baseline_date < latest.as_of
    and latest.status not in ('cancelled', 'removed') as is_overdue,
    latest.as_of,
    latest.comment
from history as latest
inner join counted
    on latest.division = counted.division and latest.milestone_id = counted.milestone_id
where latest.is_latest
