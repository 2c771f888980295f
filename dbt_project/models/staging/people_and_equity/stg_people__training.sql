with source as (
    {{ register_rows('training', ['run_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(run_id) as run_id,
    {{ clean_text('course') }} as course,
    btrim(format) as format,
    held_on::date as held_on,
    sessions::integer as sessions,
    invited::integer as invited,
    attended::integer as attended,
    completed::integer as completed,
    scored::integer as scored,
    pre_score::numeric as pre_score,
    post_score::numeric as post_score,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
