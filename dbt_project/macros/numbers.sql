{# Dollars from text: thousands commas, a dollar sign, and negatives as (1,049,252.00) or -$1,003.34. Null if blank. #}
{% macro to_money(expression) -%}
    case
        when btrim({{ expression }}) ~ '^\(.*\)$' or btrim({{ expression }}) ~ '^-'
            then -nullif(regexp_replace({{ expression }}, '[^0-9.]', '', 'g'), '')::numeric
        else nullif(regexp_replace({{ expression }}, '[^0-9.]', '', 'g'), '')::numeric
    end
{%- endmacro %}

{# A number where the text is one (commas allowed), else null: for columns that mix numbers and words. #}
{% macro to_number(expression) -%}
    case
        when btrim({{ expression }}) ~ '^[-+]?(\d[\d,]*)?\.?\d+([eE][-+]?\d+)?$'
            then replace(btrim({{ expression }}), ',', '')::numeric
    end
{%- endmacro %}
