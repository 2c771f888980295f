with source as (
    {{ register_rows('work_plans', ['work_plan_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(work_plan_id) as work_plan_id,
    btrim(priority_id) as priority_id,
    btrim(commitment_id) as commitment_id,
    {{ clean_text('work_plan') }} as work_plan,
    {{ clean_text('expected_result') }} as expected_result,
    start_date::date as start_date,
    due_date::date as due_date,
    {{ label_code('status') }} as status,
    completed_on::date as completed_on,
    {{ to_money('budget') }} as budget,
    fte::numeric as fte,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
