-- One row per KPI and area: how its forecast did on its past.
select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    first_period,
    last_period,
    points,
    method,
    origins,
    mean_error,
    naive_error,
    skill,
    coverage,
    is_shown,
    reason_en,
    reason_fr
from {{ ref('mart_kpi_forecast_trial') }}
