{# Measure number as text. The feed writes numbers, so 1.10 arrives as 1.1: pad to two decimals, never round. #}
{% macro measure_id(expression) -%}
    case
        when {{ expression }} ~ '^\d+$' then {{ expression }} || '.00'
        when {{ expression }} ~ '^\d+\.\d$' then {{ expression }} || '0'
        else {{ expression }}
    end
{%- endmacro %}

{% macro period_grain(interval_type) -%}
    case {{ interval_type }} when 'm' then 'month' when 'q' then 'quarter' when 's' then 'season' when 'y' then 'year' end
{%- endmacro %}

{# First day of a period of the feed. Season 1 is the winter that began on 1 December of the year before. #}
{% macro period_start(interval_type, year, number) -%}
    case {{ interval_type }}
        when 'm' then make_date({{ year }}, {{ number }}, 1)
        when 'q' then make_date({{ year }}, {{ number }} * 3 - 2, 1)
        when 's' then (make_date({{ year }}, 1, 1) + ({{ number }} * 3 - 4) * interval '1 month')::date
        when 'y' then make_date({{ year }}, 1, 1)
    end
{%- endmacro %}
