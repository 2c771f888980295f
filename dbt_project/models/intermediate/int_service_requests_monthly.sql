-- Names of divisions are joined after the requests are counted, so that the join sees thousands of rows, not millions.
with counted as (
    select * from {{ ref('int_service_requests_counted') }}
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
    coalesce(organisation.division_name, placed.division_as_found) as division,
    max(max(placed.newest_day)) over () as newest_day,
    sum(placed.requests)::bigint as requests,
    coalesce(sum(placed.requests) filter (where placed.is_open), 0)::bigint as open_requests,
    coalesce(sum(placed.requests) filter (where placed.status in ('completed', 'closed')), 0)::bigint
        as settled_requests,
    coalesce(sum(placed.requests) filter (where placed.status = 'cancelled'), 0)::bigint as cancelled_requests
from placed
left join {{ ref('int_organisation') }} as organisation
    on {{ organisation_key('placed.division_as_found') }} = organisation.name_key
group by
    placed.month_start,
    placed.ward_model,
    placed.ward_code,
    coalesce(organisation.division_name, placed.division_as_found)
