{# A group column where `grouping sets` also make the row of all groups together. #}
{% macro or_all(column, everything) -%}
    case when grouping({{ column }}) = 1 then '{{ everything }}' else {{ column }} end
{%- endmacro %}

{# Quarters whose last day lies among the days that the hand-ins of a register's history reflect. #}
{% macro register_quarters(history) -%}
    select
        period_start as quarter_start,
        period_end as quarter_end
    from {{ ref('int_periods') }}
    where
        period_grain = 'quarter'
        and period_end >= (select min(as_of) from {{ history }})
        and period_end <= (select max(as_of) from {{ history }})
{%- endmacro %}
