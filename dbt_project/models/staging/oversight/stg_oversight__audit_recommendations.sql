with source as (
    {{ register_rows('audit_recommendations', ['recommendation_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(recommendation_id) as recommendation_id,
    {{ clean_text('report') }} as report,
    btrim(source) as source,
    {{ clean_text('recommendation') }} as recommendation,
    btrim(priority) as priority,
    made_on::date as made_on,
    due_date::date as due_date,
    revised_due_date::date as revised_due_date,
    {{ label_code('status') }} as status,
    implemented_on::date as implemented_on,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
