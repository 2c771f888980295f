-- One row per area.
select
    geography_type,
    geography_code,
    geography_name,
    parent_type,
    parent_code,
    succession,
    successor_type,
    successor_code,
    designation,
    is_improvement_area,
    boundary,
    valid_from,
    valid_to,
    is_current
from {{ ref('mart_geography') }}
