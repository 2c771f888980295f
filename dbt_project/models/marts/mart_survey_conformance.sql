{%- set checks = [
    'purpose_stated', 'privacy_notice', 'accessible', 'plain_language', 'pretested', 'sampling_plan', 'retention_rule',
    'results_published'
] -%}
-- A check that is not applicable counts neither as met nor as missed.
with instruments as (
    select
        *,
        array[{{ checks | join(', ') }}] as answers,
        array['{{ checks | join("', '") }}'] as names
    from {{ ref('int_survey_instruments_history') }}
    where is_latest
),

counted as (
    select
        instruments.*,
        cardinality(array_positions(answers, 'Yes')) as checks_met,
        cardinality(array_positions(answers, 'No')) as checks_missed,
        (
            select string_agg(names[place], ', ' order by place)
            from unnest(array_positions(answers, 'No')) as place
        ) as missed
    from instruments
)

select
    division,
    instrument_id,
    instrument,
    audience,
    recruitment,
    status,
    is_removed,
    as_of,
    checks_met::integer as checks_met,
    checks_missed::integer as checks_missed,
    {{ ratio('checks_met', 'checks_met + checks_missed') }} as conformance,
    checks_missed = 0 as is_conformant,
    missed
from counted
