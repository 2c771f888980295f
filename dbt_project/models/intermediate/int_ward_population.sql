-- People in private households of each ward of the 25 model, by census. The first row of a sheet with that label has the
-- whole population; later ones may be of a part.
select distinct on (census_year, ward_code)
    'ward' as geography_type,
    ward_code as geography_code,
    census_year as population_year,
    value::bigint as population,
    'ward_profiles' as source,
    _file_id
from {{ ref('stg_city_planning__ward_profiles') }}
where characteristic = 'Total - Age' and ward_code is not null and value is not null
order by census_year, ward_code, characteristic_id
