-- Share of residents aged 65 and over, by the census. 2016 stands in the model of 140 neighbourhoods, 2021 in that of 158:
-- two geographies, never one series; only the city goes on. It is the sum of its neighbourhoods, whose counts the
-- census rounds.
with profile_2016 as (
    select
        area_key,
        '2016-01-01'::date as period_start,
        'neighbourhood_140' as geography_type,
        lpad(max(value) filter (where characteristic = 'Neighbourhood Number')::integer::text, 3, '0') as geography_code,
        max(value) filter (where characteristic = 'Seniors (65+ years)') as seniors,
        max(value) filter (where characteristic = 'Population, 2016') as residents
    from {{ ref('stg_city_planning__neighbourhood_profiles_2016') }}
    where characteristic in ('Neighbourhood Number', 'Seniors (65+ years)', 'Population, 2016')
    group by area_key
),

-- Labels repeat from topic to topic; the ages of everybody come first.
profile_2021 as (
    select distinct on (neighbourhood_code, characteristic)
        neighbourhood_code,
        characteristic,
        value
    from {{ ref('stg_city_planning__neighbourhood_profiles_2021') }}
    where
        neighbourhood_code is not null
        and characteristic in ('65 years and over', 'Total - Age groups of the population - 25% sample data')
    order by neighbourhood_code, characteristic, characteristic_id
),

neighbourhoods as (
    select
        period_start,
        geography_type,
        geography_code,
        seniors,
        residents
    from profile_2016
    where geography_code is not null
    union all
    select
        '2021-01-01'::date as period_start,
        'neighbourhood_158' as geography_type,
        neighbourhood_code as geography_code,
        max(value) filter (where characteristic = '65 years and over') as seniors,
        max(value) filter (where characteristic <> '65 years and over') as residents
    from profile_2021
    group by neighbourhood_code
)

select
    'NB-CEN-01' as kpi_id,
    period_start,
    'year' as period_grain,
    case when grouping(geography_code) = 0 then geography_type else 'city' end as geography_type,
    case when grouping(geography_code) = 0 then geography_code else 'toronto' end as geography_code,
    sum(seniors) as numerator,
    sum(residents) as denominator
from neighbourhoods
where seniors is not null and residents > 0
group by grouping sets ((period_start, geography_type, geography_code), (period_start))
