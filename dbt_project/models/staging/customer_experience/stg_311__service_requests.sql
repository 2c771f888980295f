-- One row per request as the City publishes it: https://open.toronto.ca/dataset/311-service-requests-customer-initiated/
with source as (
    select * from {{ source('raw', 'service_requests_311') }}
),

typed as (
    select
        source.*,
        left(creation_date, 19)::timestamp as requested_at,
        replace(lower(btrim(source.status)), ' ', '_') as status_code
    from source
)

select
    requested_at,
    date_trunc('month', requested_at)::date as month_start,
    status_code as status,
    status_code in ('new', 'in_progress') as is_open,
    nullif(upper(btrim(fsa)), 'INTERSECTION') as forward_sortation_area,
    coalesce(upper(btrim(fsa)) = 'INTERSECTION', false) as is_intersection,
    intersection_street_1,
    intersection_street_2,
    {{ ward_code('ward') }} as ward_code,
    nullif(btrim(regexp_replace(ward, '\s*\(\d{1,2}\)\s*$', '')), '') as ward_name,
    btrim(service_request_type) as service_request_type,
    btrim(division) as division,
    btrim(section) as section,
    _file_id,
    _row,
    _period,
    _night
from typed
