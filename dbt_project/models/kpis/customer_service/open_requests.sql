-- Share of a month's 311 requests that are still new or in progress in the delivery that stands now. There is no
-- closing date in the file, so the share of a month falls from delivery to delivery: each is a vintage.
with requests as (
    select
        month_start as period_start,
        ward_model,
        ward_code,
        requests,
        open_requests
    from {{ ref('int_service_requests_monthly') }}
    where {{ is_complete_month('month_start', 'newest_day') }}
)

select
    'CS-311-02' as kpi_id,
    period_start,
    'month' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    sum(open_requests)::numeric as numerator,
    sum(requests)::numeric as denominator
from requests
{{ areas_and_city('ward_code', model='ward_model') }}
