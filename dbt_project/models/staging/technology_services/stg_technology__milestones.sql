with source as (
    {{ register_rows('milestones', ['milestone_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(milestone_id) as milestone_id,
    btrim(project_id) as project_id,
    {{ clean_text('milestone') }} as milestone,
    baseline_date::date as baseline_date,
    forecast_date::date as forecast_date,
    actual_date::date as actual_date,
    {{ label_code('status') }} as status,
    {{ clean_text('comment') }} as comment,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
