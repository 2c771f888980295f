-- Requests a day about streets and private property, by ward and for the city: those that 311 hands to Transportation
-- Services and to Municipal Licensing and Standards.
with requests as (
    select *
    from {{ ref('int_service_requests_monthly') }}
    where division ilike 'transportation services%' or division ilike 'municipal licensing%'
),

counted as (
    select
        month_start,
        ward_code,
        sum(requests)::numeric as requests,
        extract(day from month_start + interval '1 month' - interval '1 day')::numeric as days
    from requests
    where {{ is_complete_month('month_start', 'newest_day') }}
    group by month_start, ward_code
)

select
    'NB-311-01' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'ward' as geography_type,
    ward_code as geography_code,
    requests as numerator,
    days as denominator
from counted
where ward_code is not null
union all
select
    'NB-311-01' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(requests) as numerator,
    days as denominator
from counted
group by month_start, days
