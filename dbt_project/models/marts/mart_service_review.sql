select
    division,
    review_id,
    service,
    review_year,
    scope,
    findings,
    savings_planned,
    savings_realised,
    savings_realised - savings_planned as savings_gap,
    {{ ratio('savings_realised', 'savings_planned') }} as realised_share,
    recommendations,
    recommendations_implemented,
    {{ ratio('recommendations_implemented', 'recommendations') }} as implemented_share,
    status,
    is_removed,
    as_of
from {{ ref('int_service_reviews_history') }}
where is_latest
