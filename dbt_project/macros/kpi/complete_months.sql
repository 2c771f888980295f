{# Whether a month lies wholly within what the source has delivered. A month that is still running would be read as a
   fall. The source's own newest day decides, never the clock. #}
{% macro is_complete_month(month_start, newest_day) -%}
    ({{ month_start }} + interval '1 month' - interval '1 day')::date <= {{ newest_day }}
{%- endmacro %}
