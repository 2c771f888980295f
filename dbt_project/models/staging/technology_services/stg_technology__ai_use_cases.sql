with source as (
    {{ register_rows('ai_use_cases', ['use_case_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(use_case_id) as use_case_id,
    {{ clean_text('use_case') }} as use_case,
    {{ clean_text('purpose') }} as purpose,
    btrim(origin) as origin,
    btrim(decides) as decides,
    btrim(risk_class) as risk_class,
    {{ is_yes('personal_information') }} as personal_information,
    btrim(privacy_assessment) as privacy_assessment,
    assessed_on::date as assessed_on,
    {{ label_code('status') }} as status,
    in_use_since::date as in_use_since,
    review_on::date as review_on,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
