-- Share of the bus delays that last half an hour or longer.
with delays as (
    select * from {{ ref('int_ttc_bus_delays_monthly') }}
)

select
    'SD-TTC-05' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    half_hour_delays::numeric as numerator,
    delayed_incidents::numeric as denominator
from delays
where {{ is_complete_month('month_start', 'newest_day') }} and delayed_incidents > 0
