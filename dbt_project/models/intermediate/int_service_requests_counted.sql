-- The requests are many and most of them stand as they stood: what was counted of a year is kept as long as the year is.
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook="{{ forget_periods(this, 'service_requests_311') }}",
    )
}}

with standing as (
    {{ standing_periods('service_requests_311') | indent(4) }}
),

counted as (
    select
        month_start,
        ward_code,
        division as division_as_found,
        status,
        is_open,
        max(requested_at)::date as newest_day,
        count(*) as requests,
        _period
    from {{ ref('stg_311__service_requests') }}
    where {{ new_periods('service_requests_311') }}
    group by month_start, ward_code, division, status, is_open, _period
)

select
    counted.*,
    coalesce(standing.batch_id, 0) as batch_id
from counted
left join standing on counted._period = standing.period
