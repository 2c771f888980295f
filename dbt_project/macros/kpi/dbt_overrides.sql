{# Comments of published tables in the sample profile say first that the figures are invented; whoever opens the table
   in a BI tool reads it there. #}
{% macro postgres__alter_relation_comment(relation, comment) -%}
    {%- set notice = 'SAMPLE — invented figures. ' -%}
    {%- set is_sample = profile() == 'sample' and relation.schema == 'publish_next' -%}
    {%- set text = (notice if is_sample else '') ~ comment -%}
    {%- set escaped_comment = postgres_escape_comment(text) -%}
    {%- set relation_type = 'materialized view' if relation.type == 'materialized_view' else relation.type -%}
    comment on {{ relation_type }} {{ relation }} is {{ escaped_comment }};
{%- endmacro %}

{# As dbt's own, without its warning about numeric columns that name no precision: in PostgreSQL such a column keeps
   every digit, and a precision would round figures. #}
{% macro postgres__get_empty_schema_sql(columns) -%}
    {%- set untyped = [] -%}
    select
    {% for key in columns %}
        {%- set column = columns[key] -%}
        {%- if column['data_type'] is not defined -%}
            {%- do untyped.append(column['name']) -%}
        {%- endif -%}
        {%- set name = adapter.quote(column['name']) if column.get('quote') else column['name'] -%}
        {{ cast('null', column['data_type']) }} as {{ name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
    {%- if untyped | length > 0 -%}
        {{ exceptions.column_type_missing(column_names=untyped) }}
    {%- endif -%}
{%- endmacro %}
