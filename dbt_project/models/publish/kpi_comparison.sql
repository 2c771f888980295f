-- One row per KPI, area and kind of comparison, latest period.
select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    comparison,
    current_value,
    compared_value,
    compared_period_start,
    periods,
    threshold,
    change,
    change_unit,
    trend,
    impact,
    status,
    is_target_met,
    is_headline
from {{ ref('mart_kpi_comparison') }}
