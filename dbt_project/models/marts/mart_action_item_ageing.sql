-- Open and overdue action items on each day that a hand-in reflects, by division and in all.
with items as (
    select * from {{ ref('int_action_item_states') }}
    where status <> 'cancelled'
)

select
    case when grouping(division) = 1 then 'All divisions' else division end as division,
    day as as_of,
    count(*)::integer as items,
    count(*) filter (where is_open)::integer as open,
    count(*) filter (where is_overdue)::integer as overdue,
    count(*) filter (where overdue_days <= 30)::integer as overdue_to_30_days,
    count(*) filter (where overdue_days between 31 and 90)::integer as overdue_31_to_90_days,
    count(*) filter (where overdue_days > 90)::integer as overdue_over_90_days,
    {{ ratio('count(*) filter (where is_overdue)', 'count(*) filter (where is_open)') }} as overdue_share,
    {{ quantile('age_days', 0.5) }} as median_age_days,
    max(age_days) as oldest_days,
    count(*) filter (where done_on is not null)::integer as done,
    {{ ratio('count(*) filter (where done_on <= due_date)', 'count(done_on)') }} as done_in_time_share
from items
group by grouping sets ((division, day), (day))
