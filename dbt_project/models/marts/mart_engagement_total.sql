-- Activities that were held; those planned, cancelled or taken out of the register are not in it.
with activities as (
    select
        *,
        date_trunc('month', held_on)::date as month_start
    from {{ ref('int_engagement_activities_history') }}
    where
        is_latest
        and not is_removed
        and status in ('held', 'reported_back')
)

select
    {{ or_all('division', 'All divisions') }} as division,
    {{ or_all('method', 'All methods') }} as method,
    month_start,
    count(*) as activities,
    coalesce(sum(participants), 0) as participants,
    coalesce(sum(reach), 0) as reach,
    coalesce(sum(contacts), 0) as contacts,
    coalesce(sum(cost), 0) as cost,
    {{ ratio('sum(cost)', 'sum(participants)') }} as cost_per_participant,
    coalesce(sum(satisfaction_answers) filter (where satisfaction is not null), 0) as satisfaction_answers,
    {{ ratio(
        'sum(satisfaction * satisfaction_answers)', 'sum(satisfaction_answers) filter (where satisfaction is not null)'
    ) }} as satisfaction,
    count(linked_decision) as with_decision
from activities
group by grouping sets (
    (division, method, month_start), (method, month_start), (division, month_start), (month_start)
)
