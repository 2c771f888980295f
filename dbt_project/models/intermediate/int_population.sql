-- The city has as many residents as its neighbourhoods have, in years in which all of them are known.
with crimes as (
    select * from {{ ref('int_crime_rates') }}
),

residents as (
    {{ residents_by_year('crimes') | indent(4) }}
),

neighbourhoods as (
    select
        'neighbourhood_158' as geography_type,
        neighbourhood_code as geography_code,
        crime_year as population_year,
        population::bigint as population,
        'neighbourhood_crime_rates' as source
    from residents
    where population > 0
    union all
    select
        geography_type,
        geography_code,
        population_year,
        population,
        source
    from {{ ref('int_neighbourhood_population') }}
    where geography_type = 'neighbourhood_140'
),

whole_city as (
    select
        'city' as geography_type,
        'toronto' as geography_code,
        population_year,
        sum(population)::bigint as population,
        min(source) as source
    from neighbourhoods
    where geography_type = 'neighbourhood_158'
    group by population_year
    having count(*) = (select count(*) from {{ ref('neighbourhoods_158') }})
)

select * from neighbourhoods
union all
select * from whole_city
