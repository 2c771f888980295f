-- Who approved each release. A release goes up by itself when no check that blocks has failed; one that somebody decided on
-- carries that person. Decisions are joined here and nowhere else. A candidate cannot know yet who will decide on it.
with releases as (
    select * from {{ source('ops', 'release') }}
    where state in ('released', 'candidate')
),

decided as (
    select distinct on (subject)
        subject,
        decided_by
    from {{ source('ops', 'approval') }}
    where decision = 'approved'
    order by subject, approval_id desc
)

select
    releases.number,
    coalesce(releases.published_on, releases.night) as released_on,
    coalesce(decided.decided_by, 'automatic: gates passed') as approved_by_en,
    coalesce(decided.decided_by, 'automatique : contrôles réussis') as approved_by_fr
from releases
left join decided on 'release ' || releases.number = decided.subject
