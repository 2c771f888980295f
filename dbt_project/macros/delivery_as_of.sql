{# Rows of a data set that keeps every delivery, as they stood when a night had ended: what was deleted since is there,
   what was renamed since has its old name. `night` is an SQL expression. Without keys: every row of the files that
   stood. #}
{% macro delivery_as_of(dataset, keys, night) -%}
    select {% if keys %}distinct on ({{ keys | join(', ') }}) {% endif %}*
    from {{ source('raw', dataset) }}
    where _file_id in (
        select standing.file_id
        from ops.standing({{ night }}) as standing
        where standing.dataset = '{{ dataset }}'
    )
    {% if keys %}order by {{ keys | join(', ') }}, _night desc, _file_id desc, _row desc{% endif %}
{%- endmacro %}
