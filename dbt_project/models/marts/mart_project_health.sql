-- Active projects by health, by division and in all.
with projects as (
    select * from {{ ref('mart_project') }}
    where is_active and not is_removed
)

select
    case when grouping(division) = 1 then 'All divisions' else division end as division,
    count(*)::integer as projects,
    count(*) filter (where health = 'green')::integer as green,
    count(*) filter (where health = 'yellow')::integer as yellow,
    count(*) filter (where health = 'red')::integer as red,
    {{ ratio("count(*) filter (where health = 'green')", 'count(*)') }} as green_share,
    count(*) filter (where is_stated_better)::integer as stated_better,
    count(*) filter (where corporate_objectives > 0)::integer as with_corporate_objective,
    sum(budget) as budget,
    sum(spent) as spent,
    max(as_of) as as_of
from projects
group by grouping sets ((division), ())
having count(*) > 0
