-- Full-time equivalents filled of those approved; all units that hand in together.
with units as (
    select * from {{ ref('int_unit_resources') }}
)

select
    'CP-HRS-02' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(fte_actual) as numerator,
    sum(fte_budget) as denominator
from units
group by month_start
having sum(fte_budget) > 0
