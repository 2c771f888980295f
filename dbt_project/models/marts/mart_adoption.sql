-- Adoption by month, for each solution, each division and in all. A month counts as the last hand-in that speaks of it
-- says; that later hand-ins leave it out does not take it back.
with months as (
    select * from {{ ref('int_adoption_history') }}
    where is_latest
),

summed as (
    select
        case when grouping(division) = 1 then 'All divisions' else division end as division,
        case when grouping(solution) = 1 then '-' else project_id end as project_id,
        case when grouping(solution) = 1 then 'All solutions' else solution end as solution,
        month,
        count(*) as solutions,
        sum(users) as users,
        sum(active_users) as active_users,
        sum(sessions) as sessions,
        max(divisions_adopting) as divisions_adopting,
        {{
            ratio('sum(feedback_score * feedback_answers)', 'sum(feedback_answers) filter (where feedback_score is not null)')
        }} as feedback_score
    from months
    group by grouping sets ((division, project_id, solution, month), (division, month), (month))
),

compared as (
    select
        now_.*,
        before.active_users as active_users_month_before,
        year_ago.active_users as active_users_year_before
    from summed as now_
    left join summed as before
        on
            now_.division = before.division
            and now_.project_id = before.project_id
            and now_.solution = before.solution
            and now_.month = before.month + interval '1 month'
    left join summed as year_ago
        on
            now_.division = year_ago.division
            and now_.project_id = year_ago.project_id
            and now_.solution = year_ago.solution
            and now_.month = year_ago.month + interval '1 year'
)

select
    division,
    project_id,
    solution,
    month,
    solutions::integer as solutions,
    users::integer as users,
    active_users::integer as active_users,
    {{ ratio('active_users', 'users') }} as active_share,
    sessions::integer as sessions,
    {{ ratio('sessions', 'active_users') }} as sessions_per_active_user,
    divisions_adopting,
    feedback_score,
    {{ ratio('active_users - active_users_month_before', 'active_users_month_before') }} as growth_month,
    {{ ratio('active_users - active_users_year_before', 'active_users_year_before') }} as growth_year
from compared
