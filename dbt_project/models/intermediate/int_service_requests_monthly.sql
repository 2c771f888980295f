-- Names of divisions are joined after the requests are counted, so that the join sees thousands of rows, not millions.
with counted as (
    select
        month_start,
        ward_code,
        division as division_as_found,
        status,
        is_open,
        max(requested_at)::date as newest_day,
        count(*) as requests
    from {{ ref('stg_311__service_requests') }}
    group by month_start, ward_code, division, status, is_open
)

select
    counted.month_start,
    counted.ward_code,
    coalesce(organisation.division_name, counted.division_as_found) as division,
    max(max(counted.newest_day)) over () as newest_day,
    sum(counted.requests)::bigint as requests,
    coalesce(sum(counted.requests) filter (where counted.is_open), 0)::bigint as open_requests,
    coalesce(sum(counted.requests) filter (where counted.status in ('completed', 'closed')), 0)::bigint
        as settled_requests,
    coalesce(sum(counted.requests) filter (where counted.status = 'cancelled'), 0)::bigint as cancelled_requests
from counted
left join {{ ref('int_organisation') }} as organisation
    on {{ organisation_key('counted.division_as_found') }} = organisation.name_key
group by
    counted.month_start,
    counted.ward_code,
    coalesce(organisation.division_name, counted.division_as_found)
