-- A partnership that left the register or was withdrawn is not counted; one that ended is.
with partnerships as (
    select * from {{ ref('int_partnerships_history') }}
    where
        is_latest
        and not is_removed
        and status <> 'withdrawn'
)

select
    {{ or_all('division', 'All divisions') }} as division,
    {{ or_all('kind', 'All kinds') }} as kind,
    count(*) as partnerships,
    count(*) filter (where status = 'active') as active,
    coalesce(sum(contribution) filter (where status in ('active', 'ended')), 0) as contribution,
    coalesce(sum(solutions_reused), 0) as solutions_reused,
    coalesce(sum(divisions_coached), 0) as divisions_coached,
    coalesce(sum(recruits), 0) as recruits
from partnerships
group by grouping sets ((division, kind), (kind), (division), ())
