-- A file is a whole term. A motion may be put twice in one minute, so equal rows stay and are flagged.
with source as (
    {{ current_delivery('council_voting_record') }}
)

select
    {{ clean_text('term') }} as term,
    {{ clean_text('first_name') }} as first_name,
    {{ clean_text('last_name') }} as last_name,
    {{ clean_text('committee') }} as committee,
    left(voted_at, 10)::date as voted_on,
    {{ clock_time('voted_at') }} as vote_time,
    {{ clean_text('agenda_item') }} as agenda_item,
    {{ clean_text("translate(agenda_item_title, chr(145) || chr(146) || chr(150), '‘’–')") }} as agenda_item_title,
    {{ clean_text('motion_type') }} as motion_type,
    lower(btrim(vote)) as vote,
    lower(substring(result from '(?i)^\s*(carried|lost)')) as outcome,
    substring(result from '(\d+)\s*-\s*\d+')::integer as votes_for,
    substring(result from '\d+\s*-\s*(\d+)')::integer as votes_against,
    {{ clean_text('vote_description') }} as vote_description,
    row_number() over (
        partition by _file_id, first_name, last_name, committee, voted_at, agenda_item, motion_type, vote_description
        order by _row
    ) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
