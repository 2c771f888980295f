-- Minutes that a late bus loses to its schedule. Records without minutes say that something happened and not that
-- anybody waited, so they are not in the denominator.
with delays as (
    select * from {{ ref('int_ttc_bus_delays_monthly') }}
)

select
    'SD-TTC-03' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    delay_minutes::numeric as numerator,
    delayed_incidents::numeric as denominator
from delays
where {{ is_complete_month('month_start', 'newest_day') }} and delayed_incidents > 0
