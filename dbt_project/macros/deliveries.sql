{# Rows of a keyed data set as they stand now: raw keeps every delivery, the cursor says which file stands for each
   name, and where two standing files carry the same key the later one wins. Sorted, not joined to itself: a table that
   was loaded a moment ago has no statistics yet, and the plan must not depend on them. Without keys: every row of the
   files that stand. #}
{% macro current_delivery(dataset, keys=[]) -%}
    select {% if keys %}distinct on ({{ keys | join(', ') }}) {% endif %}*
    from {{ source('raw', dataset) }}
    where _file_id in (
        select standing.file_id
        from {{ source('ops', 'cursor') }} as standing
        where standing.dataset = '{{ dataset }}'
    )
    {% if keys %}order by {{ keys | join(', ') }}, _night desc, _file_id desc, _row desc{% endif %}
{%- endmacro %}

{# When a data set last brought something new by tonight, for `dbt source freshness`. A data set that never came
   because tonight's replay does not list it counts as of tonight. The night is filled in when the query runs: dbt would reparse every source for another one. #}
{% macro last_delivery(dataset) -%}
    select
        coalesce(
            (
                select max(landed.night)
                from {{ source('ops', 'landed_file') }} as landed
                where
                    landed.dataset = '{{ dataset }}'
                    and landed.night <= '@night'::date
                    and exists (
                        select from {{ source('ops', 'batch') }} as loaded
                        where loaded.file_id = landed.file_id and loaded.state in ('loaded', 'superseded')
                    )
            ),
            (
                select visit.night
                from {{ source('ops', 'fetch') }} as visit
                where
                    visit.dataset = '{{ dataset }}'
                    and visit.night = '@night'::date
                    and visit.state = 'not_in_replay'
            )
        )::timestamp at time zone 'UTC'
{%- endmacro %}

{# As dbt's own, but ages are taken at the night and not at the wall clock, so that a replayed night gives the same
   answer always. In UTC every day has 24 hours. #}
{% macro postgres__collect_freshness_custom_sql(source, loaded_at_query) -%}
    {% call statement('collect_freshness_custom_sql', fetch_result=True, auto_begin=False) -%}
        select
            ({{ loaded_at_query | replace('@night', night()) }}) as max_loaded_at,
            '{{ night() }}'::timestamp at time zone 'UTC' as snapshotted_at
    {%- endcall %}
    {{ return(load_result('collect_freshness_custom_sql')) }}
{%- endmacro %}
