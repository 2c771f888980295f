with source as (
    {{ current_delivery('council_meeting_schedule') }}
)

select
    {{ clean_text('term') }} as term,
    {{ clean_text('committee') }} as committee,
    {{ clean_text('meeting_number') }} as meeting_number,
    left(meeting_date, 10)::date as meeting_date,
    {{ clock_time('start_time') }} as start_time,
    {{ clock_time('end_time') }} as planned_end_time,
    {{ clean_text('location') }} as location,
    row_number() over (partition by _file_id, committee, meeting_number, meeting_date, start_time order by _row) > 1
        as is_repeat,
    _file_id,
    _row,
    _night
from source
