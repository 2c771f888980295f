{# Rows of a keyed data set as they stand now: raw keeps every delivery, the cursor says which file stands for each
   name, and where two standing files carry the same key the later one wins. Sorted, not joined to itself: a table that
   was loaded a moment ago has no statistics yet, and the plan must not depend on them. #}
{% macro current_delivery(dataset, keys) -%}
    select distinct on ({{ keys | join(', ') }}) *
    from {{ source('raw', dataset) }}
    where _file_id in (
        select standing.file_id
        from {{ source('ops', 'cursor') }} as standing
        where standing.dataset = '{{ dataset }}'
    )
    order by {{ keys | join(', ') }}, _night desc, _file_id desc, _row desc
{%- endmacro %}

{# When a data set last brought something new, for `dbt source freshness`. dbt takes the age against the database's
   clock; shifting by the age at the night makes the night the clock, so a replayed night gives the same answer always.
   A data set that the replay does not list has no age. #}
{% macro last_delivery(dataset) -%}
    select
        case
            when (
                select visit.state
                from {{ source('ops', 'fetch') }} as visit
                where visit.dataset = '{{ dataset }}' and visit.night <= '{{ var("night") }}'::date
                order by visit.night desc
                limit 1
            ) = 'not_in_replay' then now()
            else now() - (
                '{{ var("night") }}'::date - (
                    select max(standing.night)
                    from {{ source('ops', 'cursor') }} as standing
                    where standing.dataset = '{{ dataset }}'
                )
            ) * interval '1 day'
        end
{%- endmacro %}
