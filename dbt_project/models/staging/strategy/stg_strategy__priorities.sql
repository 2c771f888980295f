with source as (
    {{ register_rows('priorities', ['priority_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(priority_id) as priority_id,
    btrim(goal_id) as goal_id,
    {{ clean_text('priority') }} as priority,
    budget_year::integer as budget_year,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
