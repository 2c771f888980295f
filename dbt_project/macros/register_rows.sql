{# Rows of a register in the hand-ins that stand, numbered by division in the order of the days they reflect. A division
   that hands in the same day again replaces what it said of it; a key that a sheet has twice counts by its last row. #}
{% macro register_rows(dataset, key) -%}
    select
        standing.*,
        dense_rank() over (partition by {{ organisation_key('division') }} order by as_of::date)::integer as hand_in,
        as_of::date = max(as_of::date) over (partition by {{ organisation_key('division') }}) as is_current_hand_in
    from (
        select
            handed_in.*,
            rank() over (
                partition by {{ organisation_key('division') }}, as_of::date order by _night desc, _file_id desc
            ) as file_rank,
            row_number() over (
                partition by {{ organisation_key('division') }}, as_of::date, btrim({{ key | join('), btrim(') }})
                order by _night desc, _file_id desc, _row desc
            ) as row_rank
        from {{ source('raw', dataset) }} as handed_in
    ) as standing
    where file_rank = 1 and row_rank = 1
{%- endmacro %}
