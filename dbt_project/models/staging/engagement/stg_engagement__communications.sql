with source as (
    {{ register_rows('communications', ['item_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(item_id) as item_id,
    {{ clean_text('title') }} as title,
    btrim(channel) as channel,
    btrim(audience) as audience,
    published_on::date as published_on,
    reach::integer as reach,
    {{ is_yes('is_open') }} as is_open,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
