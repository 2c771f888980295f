-- Development applications submitted in a year, by ward and for the city.
with applications as (
    select
        date_trunc('year', submitted_on)::date as period_start,
        max(submitted_on) over () as newest_day,
        ward_code
    from {{ ref('stg_city_planning__development_applications') }}
    where not is_repeat
)

select
    'NB-PLN-01' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code') }},
    count(*)::numeric as numerator,
    null::numeric as denominator
from applications
where {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code') }}
