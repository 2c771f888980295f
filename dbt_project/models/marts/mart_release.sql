-- Releases that readers have seen and the candidate that is being built. Times of day are not here: the same inputs make
-- the same table.
with releases as (
    select * from {{ source('ops', 'release') }}
    where state in ('released', 'candidate')
),

restated as (
    select
        number,
        count(*) as restatements
    from {{ source('ops', 'restatement') }}
    group by number
)

select
    releases.number,
    releases.night,
    releases.code_version,
    releases.content_hash,
    case when releases.state = 'released' then coalesce(restated.restatements, 0)::integer end as restatements,
    releases.stale_reason
from releases
left join restated on releases.number = restated.number
