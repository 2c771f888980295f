with source as (
    {{ register_rows('report_card_views', ['view_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(view_id) as view_id,
    {{ clean_text('publisher') }} as publisher,
    {{ clean_text('edition') }} as edition,
    {{ clean_text('indicator') }} as indicator,
    {{ clean_text('perspective') }} as perspective,
    {{ clean_text('recommendation') }} as recommendation,
    sent_on::date as sent_on,
    answered_on::date as answered_on,
    btrim(answer) as answer,
    {{ label_code('state') }} as status,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
