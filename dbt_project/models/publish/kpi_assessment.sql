-- One row per KPI and area: whether its latest figure is a signal, and whether it meets its target reliably.
select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    value,
    variation,
    special_cause,
    is_trial,
    signal_basis,
    phase_points,
    mean,
    lower_limit,
    upper_limit,
    assurance,
    reason_en,
    reason_fr
from {{ ref('mart_kpi_assessment') }}
