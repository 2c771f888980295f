-- The plan from goal to indicator, as last handed in. A level without a next one stands alone; one whose parent is not
-- handed in is an orphan.
with goals as (
    select * from {{ ref('int_goals_history') }}
    where is_latest and not is_removed
),

priorities as (
    select * from {{ ref('int_priorities_history') }}
    where is_latest and not is_removed
),

work_plans as (
    select * from {{ ref('int_work_plans_history') }}
    where is_latest and not is_removed
),

indicators as (
    select * from {{ ref('int_plan_indicators_history') }}
    where is_latest and not is_removed
),

commitments as (
    select * from {{ ref('int_commitments_history') }}
    where is_latest
),

paths as (
    select
        coalesce(goals.division, priorities.division, work_plans.division, indicators.division) as division,
        coalesce(goals.goal_id, priorities.goal_id) as goal_id,
        goals.goal,
        coalesce(priorities.priority_id, work_plans.priority_id) as priority_id,
        priorities.priority,
        priorities.budget_year,
        coalesce(work_plans.work_plan_id, indicators.work_plan_id) as work_plan_id,
        work_plans.work_plan,
        work_plans.commitment_id,
        work_plans.status as work_plan_status,
        work_plans.due_date,
        work_plans.budget,
        work_plans.fte,
        indicators.indicator_id,
        indicators.indicator,
        indicators.level,
        indicators.unit,
        indicators.direction,
        indicators.baseline,
        indicators.target,
        indicators.actual,
        (priorities.priority_id is not null and goals.goal_id is null)
        or (work_plans.work_plan_id is not null and priorities.priority_id is null)
        or (indicators.indicator_id is not null and work_plans.work_plan_id is null) as is_orphan
    from goals
    full join priorities
        on goals.division = priorities.division and goals.goal_id = priorities.goal_id
    full join work_plans
        on priorities.division = work_plans.division and priorities.priority_id = work_plans.priority_id
    full join indicators
        on work_plans.division = indicators.division and work_plans.work_plan_id = indicators.work_plan_id
)

select
    paths.division,
    coalesce(paths.goal_id, '-') as goal_id,
    paths.goal,
    coalesce(paths.priority_id, '-') as priority_id,
    paths.priority,
    paths.budget_year,
    paths.commitment_id,
    commitments.commitment,
    commitments.status as commitment_status,
    coalesce(paths.work_plan_id, '-') as work_plan_id,
    paths.work_plan,
    paths.work_plan_status,
    paths.due_date,
    paths.budget,
    paths.fte,
    coalesce(paths.indicator_id, '-') as indicator_id,
    paths.indicator,
    paths.level,
    paths.unit,
    paths.baseline,
    paths.target,
    paths.actual,
    {{ ratio('paths.actual - paths.baseline', 'paths.target - paths.baseline') }} as attainment,
    case paths.direction
        when 'Lower' then paths.actual <= paths.target
        when 'Higher' then paths.actual >= paths.target
    end as is_target_met,
    paths.is_orphan
from paths
left join commitments on paths.commitment_id = commitments.commitment_id
