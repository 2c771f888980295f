-- Share of a month's 311 requests that were cancelled by the delivery that stands now. Requests that are still open may
-- be cancelled later, so a month's share moves from delivery to delivery: each is a vintage.
with requests as (
    select
        month_start as period_start,
        ward_model,
        ward_code,
        requests,
        cancelled_requests
    from {{ ref('int_service_requests_monthly') }}
    where {{ is_complete_month('month_start', 'newest_day') }}
)

select
    'CS-311-03' as kpi_id,
    period_start,
    'month' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    sum(cancelled_requests)::numeric as numerator,
    sum(requests)::numeric as denominator
from requests
{{ areas_and_city('ward_code', model='ward_model') }}
