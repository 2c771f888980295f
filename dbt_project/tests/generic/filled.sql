{# Rows in which one of the columns is null, by the columns: for models that hold no key; those with one say `required`. #}
{% test filled(model, columns) -%}
select
    {{ columns | join(', ') }},
    count(*) as rows_with_a_gap
from {{ model }}
where num_nulls({{ columns | join(', ') }}) > 0
group by {{ columns | join(', ') }}
{% endtest %}
