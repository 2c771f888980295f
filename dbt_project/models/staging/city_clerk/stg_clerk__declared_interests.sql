-- Some deliveries show the agenda item as a link: only its number is kept.
with source as (
    {{ current_delivery('declared_interests') }}
)

select
    {{ clean_text('term') }} as term,
    {{ clean_text('first_name') }} as first_name,
    {{ clean_text('last_name') }} as last_name,
    {{ clean_text('committee') }} as committee,
    {{ clean_text("regexp_replace(agenda_item, '<[^>]*>', '', 'g')") }} as agenda_item,
    {{ clean_text('agenda_item_title') }} as agenda_item_title,
    left(verbal_declaration_date, 10)::date as declared_on,
    left(receive_date, 10)::date as received_on,
    row_number() over (partition by _file_id, first_name, last_name, committee, agenda_item order by _row) > 1
        as is_repeat,
    _file_id,
    _row,
    _night
from source
