-- A rate uses its own year's population, which the file has for its latest year only: earlier years keep the rate as
-- published, because dividing by another year's population would miss it by up to four figures.
with crimes as (
    select * from {{ ref('stg_tps__neighbourhood_crime_rates') }}
)

select
    crimes.neighbourhood_code,
    coalesce(areas.geography_name, crimes.neighbourhood_name) as neighbourhood_name,
    crimes.crime,
    crimes.crime_year,
    crimes.incidents,
    crimes.population::bigint as population,
    crimes.published_rate,
    coalesce(crimes.incidents * 100000.0 / nullif(crimes.population, 0), crimes.published_rate) as rate,
    coalesce(crimes.population, 0) > 0 as is_computed,
    crimes._file_id
from crimes
left join {{ ref('int_geography') }} as areas
    on
        crimes.neighbourhood_code = areas.geography_code
        and areas.geography_type = 'neighbourhood_158'
