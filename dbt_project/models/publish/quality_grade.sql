-- One row per resource of the catalogue and per data set of the warehouse.
select
    origin,
    package,
    resource,
    division,
    store_type,
    metadata,
    freshness,
    accessibility,
    completeness,
    usability,
    score,
    grade,
    codes,
    explanation_en,
    explanation_fr,
    published_score,
    published_grade
from {{ ref('mart_quality_grade') }}
