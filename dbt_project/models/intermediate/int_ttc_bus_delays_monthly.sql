with delays as (
    select
        *,
        not is_repeat and not is_sentinel as is_counted
    from {{ ref('stg_ttc__bus_delays') }}
)

select
    month_start,
    max(max(delay_date)) over () as newest_day,
    count(*) filter (where is_counted and min_delay > 0) as delayed_incidents,
    count(*) filter (where is_counted and min_delay >= 30) as half_hour_delays,
    coalesce(sum(min_delay) filter (where is_counted), 0) as delay_minutes
from delays
group by month_start
