-- One row per KPI and neighbourhood, latest period.
select
    kpi_id,
    geography_type,
    geography_code,
    geography_name,
    is_improvement_area,
    period_grain,
    period_start,
    value,
    city_value,
    median,
    neighbourhoods,
    rank,
    rank_from_highest
from {{ ref('mart_neighbourhood_indicator') }}
