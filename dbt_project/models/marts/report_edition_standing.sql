-- Editions that readers may see: those that a release has frozen, and those that the release being built is the first to
-- reach. Sections and notes of a frozen edition are in its figures.
with frozen as (
    select * from {{ source('ops', 'report_edition') }}
),

candidate as (
    select
        number,
        night
    from {{ source('ops', 'release') }}
    where state = 'candidate'
)

select
    edition_id,
    title_en,
    title_fr,
    summary_en,
    summary_fr,
    period_start,
    period_end,
    as_of,
    signed_off_by,
    signed_off_on,
    night,
    release_number,
    true as is_frozen,
    null::jsonb as sections,
    null::jsonb as notes
from frozen
union all
select
    planned.edition_id,
    planned.title_en,
    planned.title_fr,
    planned.summary_en,
    planned.summary_fr,
    planned.period_start,
    planned.period_end,
    planned.as_of,
    planned.signed_off_by,
    planned.signed_off_on,
    candidate.night,
    candidate.number as release_number,
    false as is_frozen,
    planned.sections,
    planned.notes
from {{ ref('report_edition_plan') }} as planned
inner join candidate on planned.as_of <= candidate.night
left join frozen on planned.edition_id = frozen.edition_id
where frozen.edition_id is null
