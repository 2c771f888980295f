-- People killed or seriously injured in traffic per 100,000 residents. A neighbourhood without any has 0, not a gap; people
-- hurt where the neighbourhood is unknown count for the city only. The police settle records for a year and more, so late
-- years still rise.
with people as (
    select
        date_trunc('year', collided_at)::date as period_start,
        max(collided_at) over ()::date as newest_day,
        {{ place_key('neighbourhood_name') }} as neighbourhood_key,
        injury
    from {{ ref('stg_transportation__collision_persons') }}
    where not is_repeat
),

complete as (
    select distinct
        period_start,
        extract(year from period_start)::integer as period_year
    from people
    where {{ is_complete_period('year', 'period_start', 'newest_day') }}
),

counted as (
    select
        people.period_start,
        {{ areas('neighbourhood_158', 'areas.neighbourhood_code') }},
        count(*) as people
    from people
    left join {{ ref('neighbourhoods_158') }} as areas
        on people.neighbourhood_key = {{ place_key('areas.neighbourhood_name') }}
    where people.injury in ('fatal', 'major')
    group by grouping sets ((people.period_start, areas.neighbourhood_code), (people.period_start))
),

residents as (
    select
        geography_type,
        geography_code,
        population_year,
        population::numeric as population
    from {{ ref('int_population') }}
    where geography_type in ('city', 'neighbourhood_158')
    union all
    select distinct
        'neighbourhood_158' as geography_type,
        'unplaced' as geography_code,
        population_year,
        0 as population
    from {{ ref('int_population') }}
    where geography_type = 'city'
)

select
    'QL-KSI-01' as kpi_id,
    complete.period_start,
    'year' as period_grain,
    residents.geography_type,
    residents.geography_code,
    coalesce(counted.people, 0)::numeric as numerator,
    residents.population as denominator
from complete
inner join residents on complete.period_year = residents.population_year
left join counted
    on
        complete.period_start = counted.period_start
        and residents.geography_type = counted.geography_type
        and residents.geography_code = counted.geography_code
