with days as (
    select * from {{ ref('int_ttc_subway_delays_daily') }}
)

select
    month_start,
    line_code,
    max(max(delay_date)) over () as newest_day,
    sum(records)::bigint as records,
    sum(repeats)::bigint as repeats,
    sum(incidents)::bigint as incidents,
    sum(delayed_incidents)::bigint as delayed_incidents,
    sum(long_delays)::bigint as long_delays,
    sum(delay_minutes)::bigint as delay_minutes,
    sum(sentinels)::bigint as sentinels,
    sum(security_delays)::bigint as security_delays,
    sum(equipment_delays)::bigint as equipment_delays
from days
group by month_start, line_code
