with source as (
    {{ register_rows('goals', ['goal_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(goal_id) as goal_id,
    {{ clean_text('goal') }} as goal,
    {{ clean_text('expected_result') }} as expected_result,
    target_date::date as target_date,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
