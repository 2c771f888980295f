{# A division's name for joins: case, punctuation and '&' against 'and' make no difference. #}
{% macro organisation_key(expression) -%}
    btrim(regexp_replace(replace(lower({{ expression }}), '&', ' and '), '[^a-z0-9]+', ' ', 'g'))
{%- endmacro %}
