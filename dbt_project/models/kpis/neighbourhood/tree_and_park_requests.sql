-- 311 requests a day about trees and parks, by ward and for the city. Trees moved from Parks to Environment in the files
-- of 2024, so both divisions are counted in every year.
with requests as (
    select
        month_start as period_start,
        ward_model,
        ward_code,
        requests,
        extract(day from month_start + interval '1 month' - interval '1 day')::numeric as days
    from {{ ref('int_service_requests_monthly') }}
    where
        (division ilike 'parks%' or division ilike 'environment%')
        and {{ is_complete_month('month_start', 'newest_day') }}
)

select
    'NB-311-02' as kpi_id,
    period_start,
    'month' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    sum(requests)::numeric as numerator,
    max(days) as denominator
from requests
{{ areas_and_city('ward_code', model='ward_model') }}
