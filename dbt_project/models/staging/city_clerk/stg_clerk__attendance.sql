with source as (
    {{ current_delivery('council_meeting_attendance') }}
)

select
    {{ clean_text('term') }} as term,
    {{ clean_text('first_name') }} as first_name,
    {{ clean_text('last_name') }} as last_name,
    {{ clean_text('committee') }} as committee,
    {{ clean_text('meeting_number') }} as meeting_number,
    left(session_date, 10)::date as session_date,
    {{ clean_text('session_type') }} as session_type,
    {{ clock_time("split_part(session_time, '-', 1)") }} as start_time,
    {{ clock_time("split_part(session_time, '-', 2)") }} as end_time,
    case
        when upper(btrim(present)) in ('Y', 'YES') then true
        when upper(btrim(present)) in ('N', 'NO') then false
    end as is_present,
    row_number() over (
        partition by
            _file_id, first_name, last_name, committee, meeting_number, session_date, session_type, session_time
        order by _row
    ) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
