-- Process behaviour charts, point by point.
select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    phase,
    place,
    phase_points,
    is_trial,
    value,
    signal_basis,
    charted,
    mean,
    average_moving_range,
    lower_limit,
    upper_limit,
    special_cause,
    point_type
from {{ ref('mart_kpi_signal') }}
