{# A register on the last day of each quarter that some hand-in reflects, as far as its divisions had handed in by then.
   Rows that were removed by that day are left out. #}
{% macro register_quarter_ends(history) -%}
    select *
    from (
        select
            states.*,
            date_trunc('quarter', states.day)::date as period_start,
            max(states.day) over (partition by date_trunc('quarter', states.day)) as last_day
        from ({{ register_states(history) }}) as states
    ) as dated
    where day = last_day
{%- endmacro %}

{# What a register says happened on a day (`happened_on`, one of its columns), each row as last stated, with its quarter.
   What has left the register since happened all the same, so that published quarters stay. Only quarters that hand-ins
   have wholly seen are in it. #}
{% macro register_events(history, happened_on) -%}
    select *
    from (
        select
            events.*,
            date_trunc('quarter', events.{{ happened_on }})::date as period_start,
            max(events.as_of) over () as newest_day,
            case when events.is_removed then events.previous_status else events.status end as stated_status
        from {{ history }} as events
        where events.is_latest
    ) as dated
    where {{ is_complete_period('quarter', 'period_start', 'newest_day') }}
{%- endmacro %}
