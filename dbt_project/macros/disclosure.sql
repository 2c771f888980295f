{# Disclosure control in publish models: the model calls its figures `figures` and joins mart_disclosure as `disclosure` on
   this key. A row that nobody judged has no entry there, and nothing of it is shown. #}
{% macro disclosure_key(table_name, columns) -%}
    disclosure.table_name = '{{ table_name }}'
    and disclosure.row_key = jsonb_build_object(
        {%- for column in columns %}'{{ column }}', figures.{{ column }}{{ ", " if not loop.last }}{% endfor -%}
    )
{%- endmacro %}

{# A column that may be hidden. #}
{% macro disclosed(column) -%}
    case when '{{ column }}' <> all (disclosure.hidden) then figures.{{ column }} end as {{ column }}
{%- endmacro %}

{# A count of persons, which may be hidden or randomly rounded. #}
{% macro disclosed_count(column, type='bigint') -%}
    case
        when '{{ column }}' <> all (disclosure.hidden)
            then coalesce((disclosure.rounded ->> '{{ column }}')::{{ type }}, figures.{{ column }})
    end as {{ column }}
{%- endmacro %}

{# Whether anything of a row is hidden, or this column. #}
{% macro is_suppressed(column=none) -%}
    {%- if column -%}
    coalesce('{{ column }}' = any (disclosure.hidden), true)
    {%- else -%}
    coalesce(cardinality(disclosure.hidden) > 0, true)
    {%- endif %} as is_suppressed
{%- endmacro %}
