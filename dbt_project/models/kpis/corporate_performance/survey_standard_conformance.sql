-- Checks of the corporate survey standard that are met, of those that apply, over the surveys that left the field in the
-- quarter. A questionnaire counts once for each of its waves, as its checks were last stated.
with waves as (
    {{ register_events(ref('int_survey_waves_history'), 'field_to') }}
),

instruments as (
    select
        division,
        instrument_id,
        array[
            purpose_stated, privacy_notice, accessible, plain_language, pretested, sampling_plan, retention_rule,
            results_published
        ] as answers
    from {{ ref('int_survey_instruments_history') }}
    where is_latest
),

counted as (
    select
        waves.period_start,
        cardinality(array_positions(instruments.answers, 'Yes')) as met,
        cardinality(array_positions(instruments.answers, 'No')) as missed
    from waves
    inner join instruments
        on
            waves.division = instruments.division
            and waves.instrument_id = instruments.instrument_id
)

select
    'CP-SUR-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(met)::numeric as numerator,
    sum(met + missed)::numeric as denominator
from counted
group by period_start
having sum(met + missed) > 0
