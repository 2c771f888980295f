with source as (
    {{ register_rows('risk_register', ['risk_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(risk_id) as risk_id,
    {{ clean_text('risk') }} as risk,
    btrim(category) as category,
    likelihood::integer as likelihood,
    impact::integer as impact,
    {{ clean_text('owner_role') }} as owner_role,
    btrim(treatment) as treatment,
    {{ clean_text('treatment_plan') }} as treatment_plan,
    treatment_due::date as treatment_due,
    {{ label_code('status') }} as status,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
