-- One row per KPI, area, period and vintage that changed a published figure.
select
    kpi_id,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    vintage,
    release_number,
    old_vintage,
    old_version,
    new_version,
    old_value,
    new_value,
    change,
    cause
from {{ ref('mart_restatement') }}
