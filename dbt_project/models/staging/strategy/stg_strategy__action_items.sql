with source as (
    {{ register_rows('action_items', ['action_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(action_id) as action_id,
    {{ clean_text('meeting') }} as meeting,
    {{ clean_text('action') }} as action,
    {{ clean_text('owner_role') }} as owner_role,
    raised_on::date as raised_on,
    due_date::date as due_date,
    {{ label_code('status') }} as status,
    done_on::date as done_on,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
