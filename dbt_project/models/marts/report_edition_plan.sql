-- Editions as the reviewed list in report_editions.yml has them, those of this profile: what is invented in the sample is
-- no edition anywhere else.
with listed as (
    select entry
    from jsonb_array_elements({{ listed_editions() }}) as entry
    where entry -> 'profiles' ? '{{ profile() }}'
)

select
    entry ->> 'id' as edition_id,
    entry #>> '{title, en}' as title_en,
    entry #>> '{title, fr}' as title_fr,
    entry #>> '{summary, en}' as summary_en,
    entry #>> '{summary, fr}' as summary_fr,
    (entry #>> '{period, start}')::date as period_start,
    (entry #>> '{period, end}')::date as period_end,
    (entry ->> 'as_of')::date as as_of,
    entry #>> '{signed_off, by}' as signed_off_by,
    (entry #>> '{signed_off, date}')::date as signed_off_on,
    entry -> 'sections' as sections,
    coalesce(entry -> 'notes', '{}') as notes
from listed
