{# Schemas are rooms of the warehouse with rights of their own, so a custom name is used as it stands. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
