{# As is_complete_month for quarters and years. #}
{% macro is_complete_period(grain, period_start, newest_day) -%}
    {%- set length = {'quarter': '3 months', 'year': '1 year'}[grain] -%}
    ({{ period_start }} + interval '{{ length }}' - interval '1 day')::date <= {{ newest_day }}
{%- endmacro %}
