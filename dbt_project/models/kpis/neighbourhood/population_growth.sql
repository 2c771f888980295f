-- Residents against those of the year before: the change is the numerator, the earlier year the denominator.
with residents as (
    select * from {{ ref('int_population') }}
    where geography_type in ('city', 'neighbourhood_158')
)

select
    'NB-POP-01' as kpi_id,
    make_date(latest.population_year, 1, 1) as period_start,
    'year' as period_grain,
    latest.geography_type,
    latest.geography_code,
    (latest.population - earlier.population)::numeric as numerator,
    earlier.population::numeric as denominator
from residents as latest
inner join residents as earlier
    on
        latest.geography_type = earlier.geography_type
        and latest.geography_code = earlier.geography_code
        and latest.population_year = earlier.population_year + 1
