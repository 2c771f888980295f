with source as (
    {{ register_rows('project_risks', ['risk_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(risk_id) as risk_id,
    btrim(project_id) as project_id,
    {{ clean_text('risk') }} as risk,
    likelihood::integer as likelihood,
    impact::integer as impact,
    btrim(response) as response,
    {{ clean_text('owner_role') }} as owner_role,
    {{ label_code('status') }} as status,
    raised_on::date as raised_on,
    review_on::date as review_on,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
