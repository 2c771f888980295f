-- Cause codes begin with the part of the system: E trains, P plant, S security, T operations, M everything else.
with delays as (
    select
        *,
        not is_repeat and not is_sentinel as is_counted
    from {{ ref('stg_ttc__subway_delays') }}
)

select
    month_start,
    line_code,
    max(max(delay_date)) over () as newest_day,
    count(*) as records,
    count(*) filter (where is_repeat) as repeats,
    count(*) filter (where not is_repeat) as incidents,
    count(*) filter (where is_counted and min_delay > 0) as delayed_incidents,
    count(*) filter (where is_counted and min_delay >= 15) as long_delays,
    coalesce(sum(min_delay) filter (where is_counted), 0) as delay_minutes,
    count(*) filter (where is_sentinel and not is_repeat) as sentinels,
    count(*) filter (where is_counted and min_delay > 0 and code like 'S%') as security_delays,
    count(*) filter (where is_counted and min_delay > 0 and code ~ '^[EP]') as equipment_delays
from delays
group by month_start, line_code
