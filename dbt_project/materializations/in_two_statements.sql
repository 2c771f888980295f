{# Tables and views as dbt makes them, in two statements instead of a dozen: for most models what dbt asks around a table
   takes longer than the table. The new one takes the old one's place and its comments in one transaction. Its key comes
   when its rows are in: an index that grows row by row takes twice as long. #}
{% materialization table, adapter='postgres' %}
    {%- set target = this.incorporate(type='table') -%}
    {%- set made = make_intermediate_relation(target) -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {{ get_create_table_as_sql(False, made, sql) }}
    {%- endcall %}
    {% call statement('in_place') -%}
        {%- if config.get('contract').enforced %}
            {%- for constraint in adapter.render_raw_model_constraints(raw_constraints=model['constraints']) %}
                alter table {{ made }} add {{ constraint }};
            {%- endfor %}
        {%- endif %}
        {%- for index in config.get('indexes', default=[]) %}
            {{ get_create_index_sql(made, index) }};
        {%- endfor %}
        {{ drop_former(load_cached_relation(this)) }}
        alter table {{ made }} rename to {{ adapter.quote(target.identifier) }};
        {{ comments(target, model) }}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{% materialization view, adapter='postgres' %}
    {%- set target = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {{ drop_former(load_cached_relation(this)) }}
        {{ get_create_view_as_sql(target, sql) }}
        {{ comments(target, model) }}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {% do store_raw_result(name='main', message='CREATE VIEW', code='CREATE VIEW', rows_affected='-1') %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{# What stands there goes, with the views on it; it may have gone already, with a table that it stood on. #}
{% macro drop_former(relation) -%}
    {%- if relation is not none -%}
        drop {{ relation.type }} if exists {{ relation }} cascade;
    {%- endif -%}
{%- endmacro %}

{% macro comments(relation, model) -%}
    {%- if config.persist_relation_docs() and model.description -%}
        {{ alter_relation_comment(relation, model.description) }}
    {%- endif -%}
    {%- if config.persist_column_docs() -%}
        {%- for name in model.columns %}
            comment on column {{ relation }}.{{ adapter.quote(name) }}
                is {{ postgres_escape_comment(model.columns[name].description) }};
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{# Of a table the columns alone; what is added to (an incremental model) has its constraints from the beginning. #}
{% macro postgres__get_table_columns_and_constraints() -%}
    {%- if config.get('materialized') == 'table' -%}
        ({{ adapter.render_raw_columns_constraints(raw_columns=model['columns']) | join(', ') }})
    {%- else -%}
        {{ table_columns_and_constraints() }}
    {%- endif -%}
{%- endmacro %}
