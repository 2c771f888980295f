-- One row per KPI, area and period ahead.
select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    value,
    low,
    high,
    confidence,
    last_period,
    method,
    mean_error,
    naive_error
from {{ ref('mart_kpi_forecast') }}
