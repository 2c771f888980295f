select
    'city' as geography_type,
    'toronto' as geography_code,
    'City of Toronto' as geography_name,
    null::date as valid_from,
    null::date as valid_to
union all
select
    'ward' as geography_type,
    ward_code as geography_code,
    ward_name as geography_name,
    {{ last_day_of_44_wards() }} + 1 as valid_from,
    null::date as valid_to
from {{ ref('wards_25') }}
union all
select
    'ward_44' as geography_type,
    ward_code as geography_code,
    ward_name as geography_name,
    null::date as valid_from,
    {{ last_day_of_44_wards() }} as valid_to
from {{ ref('wards_44') }}
union all
select
    'neighbourhood_140' as geography_type,
    neighbourhood_code as geography_code,
    neighbourhood_name as geography_name,
    null::date as valid_from,
    '2022-03-31'::date as valid_to
from {{ ref('neighbourhoods_140') }}
union all
select
    'neighbourhood_158' as geography_type,
    neighbourhood_code as geography_code,
    neighbourhood_name as geography_name,
    '2022-04-01'::date as valid_from,
    null::date as valid_to
from {{ ref('neighbourhoods_158') }}
