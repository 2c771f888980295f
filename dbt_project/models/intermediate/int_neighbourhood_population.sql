-- The profile file names its columns; the row 'Neighbourhood Number' says which code of the 140 model each column is.
with profile as (
    select * from {{ ref('stg_city_planning__neighbourhood_profiles_2016') }}
    where characteristic in ('Neighbourhood Number', 'Population, 2016')
),

census as (
    select
        'neighbourhood_140' as geography_type,
        lpad(number.value::integer::text, 3, '0') as geography_code,
        2016 as population_year,
        population.value::bigint as population,
        'neighbourhood_profiles_2016' as source,
        population._file_id
    from profile as population
    inner join profile as number
        on
            population.area_key = number.area_key
            and number.characteristic = 'Neighbourhood Number'
    where
        population.characteristic = 'Population, 2016'
        and number.value is not null
        and population.value is not null
),

police as (
    select distinct
        'neighbourhood_158' as geography_type,
        neighbourhood_code as geography_code,
        crime_year as population_year,
        population::bigint as population,
        'neighbourhood_crime_rates' as source,
        _file_id
    from {{ ref('stg_tps__neighbourhood_crime_rates') }}
    where population is not null
)

select * from census
union all
select * from police
