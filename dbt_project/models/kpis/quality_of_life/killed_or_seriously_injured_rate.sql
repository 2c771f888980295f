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
        case when grouping(areas.neighbourhood_code) = 0 then 'neighbourhood_158' else 'city' end as geography_type,
        case when grouping(areas.neighbourhood_code) = 0 then areas.neighbourhood_code else 'toronto' end
            as geography_code,
        count(*) as people
    from people
    left join {{ ref('neighbourhoods_158') }} as areas
        on people.neighbourhood_key = {{ place_key('areas.neighbourhood_name') }}
    where people.injury in ('fatal', 'major')
    group by grouping sets ((people.period_start, areas.neighbourhood_code), (people.period_start))
)

select
    'QL-KSI-01' as kpi_id,
    complete.period_start,
    'year' as period_grain,
    residents.geography_type,
    residents.geography_code,
    coalesce(counted.people, 0)::numeric as numerator,
    residents.population::numeric as denominator
from complete
inner join {{ ref('int_population') }} as residents
    on
        complete.period_year = residents.population_year
        and residents.geography_type in ('city', 'neighbourhood_158')
left join counted
    on
        complete.period_start = counted.period_start
        and residents.geography_type = counted.geography_type
        and residents.geography_code = counted.geography_code
