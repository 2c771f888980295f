-- The maps come first, then the profiles; where both newer files are silent the 158 model's areas keep what the older
-- neighbourhood on their ground was: so handed on, the 31 improvement areas and 8 emerging ones of the 140 model are the
-- 33 and 10 of the 158.
with numbers as (
    select
        area_key,
        lpad(value::integer::text, 3, '0') as geography_code
    from {{ ref('stg_city_planning__neighbourhood_profiles_2016') }}
    where characteristic = 'Neighbourhood Number' and value is not null
),

said as (
    select
        'neighbourhood_140' as geography_type,
        neighbourhood_code as geography_code,
        designation as words,
        'neighbourhoods_140' as source,
        1 as place
    from {{ ref('stg_city_planning__neighbourhoods_140') }}
    union all
    select
        'neighbourhood_140' as geography_type,
        numbers.geography_code,
        profile.value_text as words,
        'neighbourhood_profiles_2016' as source,
        2 as place
    from {{ ref('stg_city_planning__neighbourhood_profiles_2016') }} as profile
    inner join numbers on profile.area_key = numbers.area_key
    where profile.characteristic = 'TSNS2020 Designation'
    union all
    select
        'neighbourhood_158' as geography_type,
        neighbourhood_code as geography_code,
        designation as words,
        'neighbourhoods' as source,
        1 as place
    from {{ ref('stg_city_planning__neighbourhoods') }}
    union all
    select
        'neighbourhood_158' as geography_type,
        neighbourhood_code as geography_code,
        value_text as words,
        'neighbourhood_profiles_2021' as source,
        2 as place
    from {{ ref('stg_city_planning__neighbourhood_profiles_2021') }}
    where characteristic = 'TSNS 2020 Designation'
),

read as (
    select
        geography_type,
        geography_code,
        source,
        place,
        case
            when words ~* '^not? ' then 'none'
            when words ~* 'improvement|^nia' then 'improvement_area'
            when words ~* 'emerging' then 'emerging'
        end as designation
    from said
),

told as (
    select
        geography_type,
        geography_code,
        designation,
        source,
        place
    from read
    where designation is not null
    union all
    select
        'neighbourhood_158' as geography_type,
        conformance.code_158 as geography_code,
        read.designation,
        read.source,
        read.place + 2 as place
    from {{ ref('int_neighbourhood_conformance') }} as conformance
    inner join read on conformance.code_140 = read.geography_code
    where read.geography_type = 'neighbourhood_140' and read.designation is not null
)

select distinct on (geography_type, geography_code)
    geography_type,
    geography_code,
    designation,
    source
from told
order by geography_type, geography_code, place
