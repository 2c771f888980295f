{# A year's use of all branches by the residents of that year; years without a known population are left out.
   `counted`: the column of `relation` that is summed; `only`: a condition on its rows. #}
{% macro library_use(kpi_id, relation, counted, only=none) -%}
with used as (
    select
        activity_year,
        sum({{ counted }})::numeric as times
    from {{ relation }}
    {%- if only %}
    where {{ only }}
    {%- endif %}
    group by activity_year
)

select
    '{{ kpi_id }}' as kpi_id,
    make_date(used.activity_year, 1, 1) as period_start,
    'year' as period_grain,
    residents.geography_type,
    residents.geography_code,
    used.times as numerator,
    residents.population::numeric as denominator
from used
inner join {{ ref('int_population') }} as residents
    on
        used.activity_year = residents.population_year
        and residents.geography_type = 'city'
{%- endmacro %}
