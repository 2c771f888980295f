with source as (
    {{ register_rows('objective_links', ['project_id', 'objective']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(project_id) as project_id,
    btrim(objective_level) as objective_level,
    {{ clean_text('objective') }} as objective,
    btrim(goal_id) as goal_id,
    btrim(contribution) as contribution,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
