{# Takes back what an earlier run of the same night wrote. Nothing to do before the table exists. #}
{% macro forget_vintage(relation) -%}
    {%- if is_incremental() -%}
        delete from {{ relation }} where vintage = '{{ night() }}'::date
    {%- endif -%}
{%- endmacro %}
