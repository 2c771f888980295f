-- Residents by which counts of a year are divided. Where every year is known, that year's; where only censuses count (wards,
-- the 140 neighbourhoods) a census stands in until the next one.
with every_year as (
    select * from {{ ref('int_population') }}
    where geography_type <> 'neighbourhood_140'
),

censuses as (
    select
        geography_type,
        geography_code,
        population_year,
        population,
        source
    from {{ ref('int_population') }}
    where geography_type = 'neighbourhood_140'
    union all
    select
        geography_type,
        geography_code,
        population_year,
        population,
        source
    from {{ ref('int_ward_population') }}
)

select
    geography_type,
    geography_code,
    population_year,
    population_year as last_year,
    population,
    source
from every_year
union all
select
    geography_type,
    geography_code,
    population_year,
    lead(population_year) over (partition by geography_type, geography_code order by population_year) - 1 as last_year,
    population,
    source
from censuses
