with source as (
    {{ register_rows('requests', ['request_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(request_id) as request_id,
    btrim(request_type) as request_type,
    btrim(requester) as requester,
    {{ clean_text('subject') }} as subject,
    received_on::date as received_on,
    standard_days::integer as standard_days,
    coalesce(due_on::date, received_on::date + standard_days::integer) as due_on,
    answered_on::date as answered_on,
    {{ label_code('status') }} as status,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
