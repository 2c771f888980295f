-- One row per KPI version, area, period and vintage.
select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    vintage,
    value,
    numerator,
    denominator,
    is_withdrawn
from {{ ref('mart_kpi_value') }}
