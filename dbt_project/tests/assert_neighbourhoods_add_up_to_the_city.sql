{{ config(severity='warn') }}
-- The profile file has a column for the whole city; its neighbourhoods must give the same number of residents.
with neighbourhoods as (
    select sum(population) as population
    from {{ ref('int_neighbourhood_population') }}
    where geography_type = 'neighbourhood_140'
),

city as (
    select value as population
    from {{ ref('stg_city_planning__neighbourhood_profiles_2016') }}
    where
        characteristic = 'Population, 2016'
        and area_key = 'city_of_toronto'
)

select
    neighbourhoods.population as neighbourhoods,
    city.population as city
from city
cross join neighbourhoods
where neighbourhoods.population is distinct from city.population
