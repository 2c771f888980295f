-- Share of a month's 311 requests that are still new or in progress in the delivery that stands now. There is no
-- closing date in the file, so the share of a month falls from delivery to delivery: each is a vintage.
with requests as (
    select * from {{ ref('int_service_requests_monthly') }}
),

complete as (
    select *
    from requests
    where {{ is_complete_month('month_start', 'newest_day') }}
)

select
    'CS-311-02' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'ward' as geography_type,
    ward_code as geography_code,
    sum(open_requests)::numeric as numerator,
    sum(requests)::numeric as denominator
from complete
where ward_code is not null
group by month_start, ward_code
union all
select
    'CS-311-02' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(open_requests)::numeric as numerator,
    sum(requests)::numeric as denominator
from complete
group by month_start
