-- Names of divisions are joined after the requests are counted, and each name is looked up once.
with counted as (
    select * from {{ ref('int_service_requests_counted') }}
),

divisions as (
    select
        found.division_as_found,
        coalesce(organisation.division_name, found.division_as_found) as division
    from (select distinct division_as_found from counted) as found
    left join {{ ref('int_organisation') }} as organisation
        on {{ organisation_key('found.division_as_found') }} = organisation.name_key
),

placed as (
    select
        month_start,
        {{ ward_of_period('ward_code', 'month_start', 'month') }},
        division_as_found,
        status,
        is_open,
        newest_day,
        requests
    from counted
)

select
    placed.month_start,
    placed.ward_model,
    placed.ward_code,
    divisions.division,
    max(max(placed.newest_day)) over () as newest_day,
    sum(placed.requests)::bigint as requests,
    coalesce(sum(placed.requests) filter (where placed.is_open), 0)::bigint as open_requests,
    coalesce(sum(placed.requests) filter (where placed.status in ('completed', 'closed')), 0)::bigint
        as settled_requests,
    coalesce(sum(placed.requests) filter (where placed.status = 'cancelled'), 0)::bigint as cancelled_requests
from placed
left join divisions on placed.division_as_found = divisions.division_as_found
group by
    placed.month_start,
    placed.ward_model,
    placed.ward_code,
    divisions.division
