-- 311 requests created, by ward and for the city. The city counts requests whose ward is unknown too.
with requests as (
    select
        month_start as period_start,
        ward_model,
        ward_code,
        requests
    from {{ ref('int_service_requests_monthly') }}
    where {{ is_complete_month('month_start', 'newest_day') }}
)

select
    'CS-311-01' as kpi_id,
    period_start,
    'month' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    sum(requests)::numeric as numerator,
    null::numeric as denominator
from requests
{{ areas_and_city('ward_code', model='ward_model') }}
