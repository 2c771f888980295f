with source as (
    {{ register_rows('adoption', ['project_id', 'solution', 'month']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(project_id) as project_id,
    {{ clean_text('solution') }} as solution,
    month::date as month,
    users::integer as users,
    active_users::integer as active_users,
    divisions_adopting::integer as divisions_adopting,
    sessions::integer as sessions,
    feedback_score::numeric as feedback_score,
    feedback_answers::integer as feedback_answers,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
