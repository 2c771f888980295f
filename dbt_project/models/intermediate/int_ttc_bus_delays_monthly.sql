with days as (
    select * from {{ ref('int_ttc_bus_delays_daily') }}
)

select
    month_start,
    max(max(delay_date)) over () as newest_day,
    sum(delayed_incidents)::bigint as delayed_incidents,
    sum(half_hour_delays)::bigint as half_hour_delays,
    sum(delay_minutes)::bigint as delay_minutes
from days
group by month_start
