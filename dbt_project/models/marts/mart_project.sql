-- Each project as last known, with a health worked out from what its other sheets say.
with projects as (
    select * from {{ ref('int_projects_history') }}
    where is_latest
),

milestones as (
    select
        division,
        project_id,
        count(*) as milestones,
        count(*) filter (where actual_date is not null) as reached,
        count(*) filter (where actual_date <= baseline_date) as on_time,
        max(
            greatest(forecast_date - baseline_date, as_of - baseline_date, 0)
        ) filter (where actual_date is null) as open_slip_days
    from {{ ref('int_milestones_history') }}
    where is_latest and not is_removed and status <> 'cancelled'
    group by division, project_id
),

deliverables as (
    select
        division,
        project_id,
        count(*) as deliverables,
        count(*) filter (where delivered_on is not null) as delivered,
        count(*) filter (where status = 'accepted') as accepted
    from {{ ref('int_deliverables_history') }}
    where is_latest and not is_removed
    group by division, project_id
),

risks as (
    select
        division,
        project_id,
        count(*) as open_risks,
        max(likelihood * impact) as highest_risk
    from {{ ref('int_project_risks_history') }}
    where is_latest and not is_removed and status <> 'closed'
    group by division, project_id
),

objectives as (
    select
        division,
        project_id,
        count(*) as objectives,
        count(*) filter (where objective_level = 'Corporate') as corporate_objectives
    from {{ ref('int_objective_links_history') }}
    where is_latest and not is_removed
    group by division, project_id
),

signals as (
    select
        projects.*,
        coalesce(milestones.milestones, 0) as milestones,
        coalesce(milestones.reached, 0) as milestones_reached,
        coalesce(milestones.on_time, 0) as milestones_on_time,
        milestones.open_slip_days,
        coalesce(deliverables.deliverables, 0) as deliverables,
        coalesce(deliverables.delivered, 0) as delivered,
        coalesce(deliverables.accepted, 0) as accepted,
        coalesce(risks.open_risks, 0) as open_risks,
        risks.highest_risk,
        coalesce(objectives.objectives, 0) as objectives,
        coalesce(objectives.corporate_objectives, 0) as corporate_objectives,
        {{ ratio('projects.spent', 'projects.budget') }} as spent_share,
        projects.status in ('initiated', 'underway', 'on_hold') as is_active,
        case when milestones.open_slip_days > 60 then 3 when milestones.open_slip_days > 14 then 2 else 1 end
            as schedule_level,
        case when risks.highest_risk >= 20 then 3 when risks.highest_risk >= 12 then 2 else 1 end as risk_level,
        case when projects.spent > 1.1 * projects.budget then 3 when projects.spent > projects.budget then 2 else 1 end
            as cost_level,
        case projects.stated_health when 'Red' then 3 when 'Yellow' then 2 when 'Green' then 1 end as stated_level
    from projects
    left join milestones on projects.division = milestones.division and projects.project_id = milestones.project_id
    left join deliverables
        on projects.division = deliverables.division and projects.project_id = deliverables.project_id
    left join risks on projects.division = risks.division and projects.project_id = risks.project_id
    left join objectives on projects.division = objectives.division and projects.project_id = objectives.project_id
)

select
    division,
    project_id,
    project,
    kind,
    purpose,
    status,
    previous_status,
    is_removed,
    is_active,
    start_date,
    planned_end,
    funding_source,
    budget,
    spent,
    spent_share,
    milestones::integer as milestones,
    milestones_reached::integer as milestones_reached,
    milestones_on_time::integer as milestones_on_time,
    open_slip_days::integer as open_slip_days,
    deliverables::integer as deliverables,
    delivered::integer as delivered,
    accepted::integer as accepted,
    open_risks::integer as open_risks,
    highest_risk,
    objectives::integer as objectives,
    corporate_objectives::integer as corporate_objectives,
    case when is_active then (array['green', 'yellow', 'red'])[schedule_level] end as schedule_health,
    case when is_active then (array['green', 'yellow', 'red'])[risk_level] end as risk_health,
    case when is_active then (array['green', 'yellow', 'red'])[cost_level] end as cost_health,
    case when is_active then (array['green', 'yellow', 'red'])[greatest(schedule_level, risk_level, cost_level)] end
        as health,
    lower(stated_health) as stated_health,
    case when is_active then stated_level < greatest(schedule_level, risk_level, cost_level) end as is_stated_better,
    as_of
from signals
