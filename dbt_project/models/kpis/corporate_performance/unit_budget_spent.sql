-- Share of the month's budget that units spent; all units that hand in together.
with units as (
    select * from {{ ref('int_unit_resources') }}
)

select
    'CP-BUD-02' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(actual) as numerator,
    sum(budget) as denominator
from units
group by month_start
