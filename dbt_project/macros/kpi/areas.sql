{# Figures of areas of one kind and, over the same rows, of the city: `areas` gives the columns, `areas_and_city` the end
   of the query, whose rows have a period_start. Rows whose area is unknown count for the city only. #}
{% macro areas(geography_type, code) -%}
    case when grouping({{ code }}) = 0 then '{{ geography_type }}' else 'city' end as geography_type,
    case when grouping({{ code }}) = 0 then {{ code }} else 'toronto' end as geography_code
{%- endmacro %}

{% macro areas_and_city(code) -%}
group by grouping sets ((period_start, {{ code }}), (period_start))
having grouping({{ code }}) = 1 or {{ code }} is not null
{%- endmacro %}

{# The name of a ward or neighbourhood for joins: without its number in brackets, case and punctuation. #}
{% macro place_key(expression) -%}
    regexp_replace(lower(regexp_replace({{ expression }}, '\s*\(\d+\)\s*$', '')), '[^a-z0-9]+', '', 'g')
{%- endmacro %}
