-- Cause codes begin with the part of the system: E trains, P plant, S security, T operations, M everything else.
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook="{{ forget_periods(this, 'ttc_subway_delays') }}",
    )
}}

with standing as (
    {{ standing_periods('ttc_subway_delays') | indent(4) }}
),

delays as (
    select
        *,
        not is_repeat and not is_sentinel as is_counted
    from {{ ref('stg_ttc__subway_delays') }}
    where {{ new_periods('ttc_subway_delays') }}
),

counted as (
    select
        delay_date,
        month_start,
        line_code,
        count(*) as records,
        count(*) filter (where is_repeat) as repeats,
        count(*) filter (where not is_repeat) as incidents,
        count(*) filter (where is_counted and min_delay > 0) as delayed_incidents,
        count(*) filter (where is_counted and min_delay >= 15) as long_delays,
        coalesce(sum(min_delay) filter (where is_counted), 0) as delay_minutes,
        count(*) filter (where is_sentinel and not is_repeat) as sentinels,
        count(*) filter (where is_counted and min_delay > 0 and code like 'S%') as security_delays,
        count(*) filter (where is_counted and min_delay > 0 and code ~ '^[EP]') as equipment_delays,
        _period
    from delays
    group by delay_date, month_start, line_code, _period
)

select
    counted.*,
    coalesce(standing.batch_id, 0) as batch_id
from counted
left join standing on counted._period = standing.period
