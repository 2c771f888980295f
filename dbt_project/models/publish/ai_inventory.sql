-- One row per division and risk class, each also in all.
select
    division,
    risk_class,
    use_cases,
    ideas,
    pilots,
    in_use,
    ended,
    running_with_personal_information,
    assessed,
    assessment_missing,
    assessed_share,
    review_overdue,
    as_of
from {{ ref('mart_ai_inventory') }}
