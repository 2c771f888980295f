{# Residents of each neighbourhood and year. The file gives the population of its latest year only; for the others it
   follows from a published rate (incidents by rate), and the crime with most incidents gives it with the least
   rounding. #}
{% macro residents_by_year(crimes) -%}
select distinct on (neighbourhood_code, crime_year)
    neighbourhood_code,
    crime_year,
    coalesce(population::numeric, round(incidents * 100000 / nullif(published_rate, 0))) as population
from {{ crimes }}
where population is not null or (incidents > 0 and published_rate > 0)
order by neighbourhood_code, crime_year, incidents desc, crime
{%- endmacro %}

{# Yearly incidents of one crime with the residents of that year. Rates of a city are sums by sums, never means of
   neighbourhoods. #}
{% macro crime_rate(kpi_id, crime) -%}
with crimes as (
    select * from {{ ref('int_crime_rates') }}
),

residents as (
    {{ residents_by_year('crimes') | indent(4) }}
),

counted as (
    select
        make_date(crimes.crime_year, 1, 1) as period_start,
        crimes.neighbourhood_code,
        crimes.incidents::numeric as incidents,
        residents.population
    from crimes
    inner join residents
        on
            crimes.neighbourhood_code = residents.neighbourhood_code
            and crimes.crime_year = residents.crime_year
    where crimes.crime = '{{ crime }}'
)

select
    '{{ kpi_id }}' as kpi_id,
    period_start,
    'year' as period_grain,
    'neighbourhood_158' as geography_type,
    neighbourhood_code as geography_code,
    incidents as numerator,
    population as denominator
from counted
union all
select
    '{{ kpi_id }}' as kpi_id,
    period_start,
    'year' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(incidents) as numerator,
    sum(population) as denominator
from counted
group by period_start
{%- endmacro %}
