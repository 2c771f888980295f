-- One row per division and year, also in all.
select
    division,
    review_year,
    reviews,
    completed,
    savings_planned,
    savings_realised,
    realised_share,
    recommendations,
    recommendations_implemented,
    implemented_share
from {{ ref('mart_service_savings') }}
