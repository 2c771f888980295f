-- One row per KPI, area, period and view.
select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    kpi_view,
    value,
    view_value,
    view_unit,
    lower_bound,
    upper_bound,
    base_value,
    base_year,
    base_en,
    base_fr
from {{ ref('mart_kpi_view') }}
