-- Names of divisions are joined after the requests are counted, so that the join sees hundreds of rows and not millions.
with counted as (
    select
        month_start,
        ward_code,
        division as division_as_found,
        max(requested_at)::date as newest_day,
        count(*) as requests,
        count(*) filter (where is_open) as open_requests,
        count(*) filter (where status in ('completed', 'closed')) as settled_requests,
        count(*) filter (where status = 'cancelled') as cancelled_requests
    from {{ ref('stg_311__service_requests') }}
    group by month_start, ward_code, division
)

select
    counted.month_start,
    counted.ward_code,
    coalesce(organisation.division_name, counted.division_as_found) as division,
    max(max(counted.newest_day)) over () as newest_day,
    sum(counted.requests)::bigint as requests,
    sum(counted.open_requests)::bigint as open_requests,
    sum(counted.settled_requests)::bigint as settled_requests,
    sum(counted.cancelled_requests)::bigint as cancelled_requests
from counted
left join {{ ref('int_organisation') }} as organisation
    on {{ organisation_key('counted.division_as_found') }} = organisation.name_key
group by
    counted.month_start,
    counted.ward_code,
    coalesce(organisation.division_name, counted.division_as_found)
