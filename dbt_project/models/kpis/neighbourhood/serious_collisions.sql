-- Collisions in which somebody was killed or seriously injured. The file has a row per person, so collisions are counted
-- once; those without a known ward count for the city only.
with collisions as (
    select
        date_trunc('year', people.collided_at)::date as period_start,
        max(people.collided_at) over ()::date as newest_day,
        wards.ward_code,
        people.collision_id
    from {{ ref('stg_transportation__collision_persons') }} as people
    left join {{ ref('wards_25') }} as wards
        on {{ place_key('people.ward_name') }} = {{ place_key('wards.ward_name') }}
    where not people.is_repeat
)

select
    'NB-KSI-01' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code') }},
    count(distinct collision_id)::numeric as numerator,
    null::numeric as denominator
from collisions
where {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code') }}
