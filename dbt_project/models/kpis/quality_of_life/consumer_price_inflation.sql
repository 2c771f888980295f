-- All-items consumer prices against the same month a year earlier: the change is the numerator, last year's index the
-- denominator. Vector 41690973 is Canada, all items, not seasonally adjusted.
with prices as (
    select
        period_start,
        value
    from {{ ref('int_economic_context') }}
    where indicator = 'v41690973' and period_grain = 'month'
)

select
    'QL-CPI-01' as kpi_id,
    latest.period_start,
    'month' as period_grain,
    'country' as geography_type,
    'canada' as geography_code,
    latest.value - earlier.value as numerator,
    earlier.value as denominator
from prices as latest
inner join prices as earlier
    on latest.period_start = (earlier.period_start + interval '1 year')::date
