{# Whether two rows belong to one series: the same KPI in the same area and length of period, and with `version` of the
   same definition. #}
{% macro same_series(one, other, version=false) -%}
    {{ one }}.kpi_id = {{ other }}.kpi_id
    {%- if version %}
    and {{ one }}.kpi_version = {{ other }}.kpi_version
    {%- endif %}
    and {{ one }}.geography_type = {{ other }}.geography_type
    and {{ one }}.geography_code = {{ other }}.geography_code
    and {{ one }}.period_grain = {{ other }}.period_grain
{%- endmacro %}
