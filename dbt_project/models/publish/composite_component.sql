-- One row per index, area, year and part.
select
    index_code,
    geography_type,
    geography_code,
    period_year,
    component,
    direction,
    weight,
    value,
    treatment,
    treated_value,
    scaled,
    z,
    target,
    share_of_way_to_target,
    between_goalposts,
    percentile_rank,
    borda
from {{ ref('mart_composite_component') }}
