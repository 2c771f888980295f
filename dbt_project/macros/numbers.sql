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

{# A number from French text: '1 234,5', '(1 234,50 $)', '12,5 %'. Spaces of any kind part thousands; null if blank. #}
{% macro to_number_fr(expression) -%}
    nullif(replace(regexp_replace({{ expression }}, '[^0-9,]', '', 'g'), ',', '.'), '')::numeric
        * case when {{ expression }} ~ '[-−(]' then -1 else 1 end
{%- endmacro %}
