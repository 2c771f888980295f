-- Working days lost to illness and unpaid absence, for each full-time equivalent that is filled; units that do not state
-- their absence count on neither side.
with units as (
    select * from {{ ref('int_unit_resources') }}
    where absence_days is not null
)

select
    'CP-HRS-01' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(absence_days) as numerator,
    sum(fte_actual) as denominator
from units
group by month_start
having sum(fte_actual) > 0
