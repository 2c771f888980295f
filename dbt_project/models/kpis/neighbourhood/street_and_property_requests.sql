-- Requests a day about streets and private property, by ward and for the city: those that 311 hands to Transportation
-- Services and to Municipal Licensing and Standards.
with requests as (
    select
        month_start as period_start,
        ward_model,
        ward_code,
        requests,
        extract(day from month_start + interval '1 month' - interval '1 day')::numeric as days
    from {{ ref('int_service_requests_monthly') }}
    where
        (division ilike 'transportation services%' or division ilike 'municipal licensing%')
        and {{ is_complete_month('month_start', 'newest_day') }}
)

select
    'NB-311-01' as kpi_id,
    period_start,
    'month' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    sum(requests)::numeric as numerator,
    max(days) as denominator
from requests
{{ areas_and_city('ward_code', model='ward_model') }}
