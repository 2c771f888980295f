-- Mean score of the apartment buildings evaluated in a quarter, out of 100, by ward and for the city. Buildings take turns
-- over two years, so quarters compare on different buildings.
with evaluations as (
    select
        date_trunc('quarter', evaluated_on)::date as period_start,
        max(evaluated_on) over () as newest_day,
        ward_code,
        building_score
    from {{ ref('stg_mls__apartment_evaluations') }}
    where not is_repeat
)

select
    'NB-HSG-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    {{ areas('ward', 'ward_code') }},
    sum(building_score) as numerator,
    count(*)::numeric as denominator
from evaluations
where building_score is not null and {{ is_complete_period('quarter', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code') }}
