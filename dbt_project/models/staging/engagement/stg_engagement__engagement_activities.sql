with source as (
    {{ register_rows('engagement_activities', ['activity_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(activity_id) as activity_id,
    {{ clean_text('activity') }} as activity,
    btrim(team) as team,
    btrim(kind) as kind,
    btrim(method) as method,
    held_on::date as held_on,
    reach::integer as reach,
    participants::integer as participants,
    contacts::integer as contacts,
    {{ clean_text('themes') }} as themes,
    {{ clean_text('linked_decision') }} as linked_decision,
    {{ to_money('cost') }} as cost,
    satisfaction::numeric as satisfaction,
    satisfaction_answers::integer as satisfaction_answers,
    {{ label_code('status') }} as status,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
