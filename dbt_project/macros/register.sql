{# A code from a label: 'In progress' is in_progress. #}
{% macro label_code(expression) -%}
    nullif(btrim(regexp_replace(lower({{ expression }}), '[^a-z0-9]+', '_', 'g'), '_'), '')
{%- endmacro %}

{# History of a register: a row for each hand-in that a key is in, and one more for the hand-in from which it is missing
   (`is_removed`, status removed, all else as last stated). A row that is held in quarantine was handed in all the same:
   it stands as last stated. Divisions stand under their present name, so one that was renamed keeps its past. A row
   holds from `valid_from` to before `valid_to`.

   `key`: what knows a row again within a division. `columns`: what else is kept; `watched`: those whose change makes
   `is_changed` true beside the status (default: all). `status`: its column; none where a register has no status, and
   rows are then listed or removed. `by_division` false: one file speaks for all divisions, numbered by its own
   `hand_in`. #}
{% macro register_history(relation, key, columns, status='status', watched=none, by_division=true) -%}
    {%- set whose = (['division'] if by_division else []) + key -%}
    {%- set watched = columns if watched is none else watched -%}
    {%- set dataset = relation.identifier.split('__') | last -%}
    {%- set kept = key + ([] if by_division else ['division']) + columns -%}
    with stated as (
        select
            {%- for column in key + columns %}
            handed_in.{{ column }},
            {%- endfor %}
            coalesce(organisation.division_name, handed_in.division) as division,
            {{ 'handed_in.' ~ status if status else "'listed'" }} as status,
            handed_in.as_of,
            handed_in.hand_in as own_hand_in,
            handed_in._file_id,
            handed_in._night
        from {{ relation }} as handed_in
        left join {{ ref('int_organisation') }} as organisation
            on {{ organisation_key('handed_in.division') }} = organisation.name_key
    ),

    numbered as (
        {%- if by_division %}
        select
            stated.*,
            dense_rank() over (partition by division order by as_of)::integer as hand_in,
            -- the same day under the old and the new name: the later file counts
            dense_rank() over (partition by division, as_of order by _night desc, _file_id desc) as delivery_rank
        from stated
        {%- else %}
        select
            stated.*,
            own_hand_in as hand_in,
            1 as delivery_rank
        from stated
        {%- endif %}
    ),

    present as (
        select
            numbered.*,
            lead(hand_in) over (partition by {{ whose | join(', ') }} order by hand_in) as next_hand_in
        from numbered
        where delivery_rank = 1
    ),

    hand_ins as (
        select
            {%- if by_division %}
            division,
            {%- endif %}
            hand_in,
            max(as_of) as as_of,
            max(_file_id) as _file_id,
            max(_night) as _night
        from present
        group by {{ 'division, ' if by_division }}hand_in
    ),

    -- Rows that a hand-in has in quarantine only. There are few, if any: what follows must not depend on there being none.
    held as (
        select distinct
            present.{{ whose | join(', present.') }},
            hand_ins.hand_in
        from {{ ref('stg_warehouse__held_rows') }} as held_rows
        inner join hand_ins on held_rows.file_id = hand_ins._file_id
        inner join present
            on
                {% if by_division %}hand_ins.division = present.division and {% endif %}hand_ins.hand_in > present.hand_in
                {%- for column in key %}
                and btrim(held_rows.key ->> '{{ column }}') = present.{{ column }}::text
                {%- endfor %}
        where held_rows.dataset = '{{ dataset }}'
    ),

    -- ... in runs without a gap: a row that was last stated in the hand-in before one stands to its end
    held_runs as (
        select
            {{ whose | join(', ') }},
            min(hand_in) as first_hand_in,
            max(hand_in) as last_hand_in
        from (
            select
                held.*,
                hand_in - row_number() over (partition by {{ whose | join(', ') }} order by hand_in) as run
            from held
        ) as numbered_runs
        group by {{ whose | join(', ') }}, run
    ),

    standing as (
        select
            present.*,
            coalesce(held_runs.last_hand_in, present.hand_in) as stands_to
        from present
        left join held_runs
            on
                present.hand_in + 1 = held_runs.first_hand_in
                {%- for column in whose %}
                and present.{{ column }} = held_runs.{{ column }}
                {%- endfor %}
    ),

    states as (
        select
            {%- if by_division %}
            division,
            {%- endif %}
            {{ kept | join(', ') }},
            hand_in,
            as_of,
            status,
            false as is_removed,
            _file_id,
            _night
        from present
        union all
        select
            {%- if by_division %}
            present.division,
            {%- endif %}
            present.{{ kept | join(', present.') }},
            hand_ins.hand_in,
            hand_ins.as_of,
            'removed' as status,
            true as is_removed,
            hand_ins._file_id,
            hand_ins._night
        from standing as present
        inner join hand_ins
            on
                {% if by_division %}present.division = hand_ins.division and {% endif %}present.stands_to + 1 = hand_ins.hand_in
                and coalesce(present.next_hand_in > hand_ins.hand_in, true)
    ),

    ordered as (
        select
            states.*,
            lag(status) over by_hand_in as previous_status,
            lead(as_of) over by_hand_in as next_as_of,
            first_value(as_of) over by_hand_in as first_as_of,
            {%- for column in watched %}
            ({{ column }} is distinct from lag({{ column }}) over by_hand_in) as {{ column }}_moved,
            {%- endfor %}
            row_number() over by_hand_in as state_number
        from states
        window by_hand_in as (partition by {{ whose | join(', ') }} order by hand_in)
    )

    select
        division,
        {{ (key + columns) | join(', ') }},
        hand_in,
        as_of,
        status,
        previous_status,
        is_removed,
        previous_status is not null
        and (status <> previous_status{% for column in watched %} or {{ column }}_moved{% endfor %}) as is_changed,
        next_as_of is null as is_latest,
        first_as_of,
        as_of as valid_from,
        coalesce(next_as_of, '9999-12-31'::date) as valid_to,
        _file_id,
        _night
    from ordered
{%- endmacro %}

{# What a register said on a day, an SQL expression: the last state of each key by then, the removed ones too. #}
{% macro register_as_of(history, day) -%}
    select *
    from {{ history }}
    where valid_from <= {{ day }} and {{ day }} < valid_to
{%- endmacro %}

{# The states of a register on each day that some hand-in reflects (`day`), as far as the division had handed in by then:
   one that is late counts with what it last said. Rows that were removed by then are left out. #}
{% macro register_states(history) -%}
    select
        days.day,
        history.*
    from (select distinct valid_from as day from {{ history }}) as days
    inner join {{ history }} as history
        on days.day >= history.valid_from and days.day < history.valid_to
    where not history.is_removed
{%- endmacro %}

{# One figure over another, null where the other is 0 or null; to ten places, without zeros at the end. #}
{% macro ratio(part, whole) -%}
    trim_scale(round(({{ part }})::numeric / nullif({{ whole }}, 0), 10))
{%- endmacro %}

{# The value below which a share of the rows lie, interpolated between the two nearest; nulls do not count. #}
{% macro quantile(expression, share) -%}
    trim_scale(round((percentile_cont({{ share }}) within group (order by {{ expression }}))::numeric, 10))
{%- endmacro %}
