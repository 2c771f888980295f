-- One row per index, area and year.
select
    index_code,
    name_en,
    name_fr,
    geography_type,
    geography_code,
    period_year,
    arithmetic,
    geometric,
    harmonic,
    between_goalposts,
    borda,
    rank,
    components,
    parts,
    weight_used,
    reason
from {{ ref('mart_composite_index') }}
