{# Days past due in bands; null for a number below 0. #}
{% macro days_past_due_band(days) -%}
    case
        when {{ days }} between 0 and 30 then '0-30'
        when {{ days }} between 31 and 90 then '31-90'
        when {{ days }} between 91 and 365 then '91-365'
        when {{ days }} > 365 then 'over 365'
    end
{%- endmacro %}
