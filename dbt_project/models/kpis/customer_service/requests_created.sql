-- 311 requests created, by ward and for the city. The city counts requests whose ward is unknown too.
with requests as (
    select * from {{ ref('int_service_requests_monthly') }}
),

complete as (
    select *
    from requests
    where {{ is_complete_month('month_start', 'newest_day') }}
)

select
    'CS-311-01' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'ward' as geography_type,
    ward_code as geography_code,
    sum(requests)::numeric as numerator,
    null::numeric as denominator
from complete
where ward_code is not null
group by month_start, ward_code
union all
select
    'CS-311-01' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(requests)::numeric as numerator,
    null::numeric as denominator
from complete
group by month_start
