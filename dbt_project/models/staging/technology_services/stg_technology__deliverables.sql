with source as (
    {{ register_rows('deliverables', ['deliverable_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(deliverable_id) as deliverable_id,
    btrim(project_id) as project_id,
    {{ clean_text('deliverable') }} as deliverable,
    due_date::date as due_date,
    delivered_on::date as delivered_on,
    {{ label_code('status') }} as status,
    {{ clean_text('accepted_by') }} as accepted_by,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
