-- Development applications submitted in a year, by ward and for the city.
with applications as (
    select
        date_trunc('year', found.submitted_on)::date as period_start,
        max(found.submitted_on) over () as newest_day,
        {{ ward_by_name('found.ward_code', "date_trunc('year', found.submitted_on)", 'year') }}
    from {{ ref('stg_city_planning__development_applications') }} as found
    left join {{ ref('wards_25') }} as wards_25
        on {{ ward_is('wards_25', 'found.ward_code', 'found.ward_name') }}
    left join {{ ref('wards_44') }} as wards_44
        on {{ ward_is('wards_44', 'found.ward_code', 'found.ward_name') }}
    where not found.is_repeat
)

select
    'NB-PLN-01' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    count(*)::numeric as numerator,
    null::numeric as denominator
from applications
where {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code', model='ward_model') }}
