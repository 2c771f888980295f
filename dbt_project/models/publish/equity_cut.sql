-- One row per KPI, neighbourhood model and period.
select
    kpi_id,
    kpi_version,
    geography_type,
    period_grain,
    period_start,
    basis,
    improvement_areas,
    other_areas,
    improvement_numerator,
    improvement_denominator,
    improvement_value,
    other_numerator,
    other_denominator,
    other_value,
    gap,
    ratio_to_others,
    standing
from {{ ref('mart_equity_cut') }}
