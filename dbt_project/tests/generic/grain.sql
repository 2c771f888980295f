{# One scan says whether a model holds one row per key. Columns of the key may be null only if `nullable` names them;
   `required` names further columns that must be filled. #}
{% test grain(model, columns, nullable=[], required=[]) -%}
select
    {{ columns | join(', ') }},
    count(*) as rows_of_key
from {{ model }}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {% for column in columns if column not in nullable -%}
        or {{ column }} is null
    {% endfor -%}
    {% for column in required -%}
        or count({{ column }}) < count(*)
    {% endfor %}
{% endtest %}
