-- Answers of each wave and question, summed so that no respondent is left in them. A wave counts as the last hand-in that
-- has answers to it states them, so it keeps its result when the answers are no longer handed in. An answer is valid if it
-- is a point of the scale; 'Don't know' and 'Refused' are not. A blank weight is 1.
with answers as (
    select
        coalesce(organisation.division_name, answered.division) as division,
        answered.as_of,
        max(answered.as_of) over (
            partition by coalesce(organisation.division_name, answered.division), answered.wave_id
        ) as last_as_of,
        answered.wave_id,
        answered.question_id,
        answered.question,
        answered.scale,
        coalesce(answered.weight, 1) as weight,
        case when answered.answer ~ '^\d+$' then answered.answer::integer end as point,
        answered._file_id,
        answered._night
    from {{ ref('stg_surveys__survey_answers') }} as answered
    left join {{ ref('int_organisation') }} as organisation
        on {{ organisation_key('answered.division') }} = organisation.name_key
),

summed as (
    select
        division,
        wave_id,
        question_id,
        max(question) as question,
        max(scale) as scale,
        count(*) as answers,
        count(*) filter (where point between 1 and scale) as valid_answers,
        coalesce(sum(weight) filter (where point between 1 and scale), 0) as weight_sum,
        coalesce(sum(weight * weight) filter (where point between 1 and scale), 0) as weight_squares,
        coalesce(sum(weight) filter (where point between scale - 1 and scale), 0) as top_two_weight,
        max(_file_id) as _file_id,
        max(_night) as _night
    from answers
    where as_of = last_as_of
    group by division, wave_id, question_id
),

waves as (
    select * from {{ ref('int_survey_waves_history') }}
    where
        is_latest
        and not is_removed
),

instruments as (
    select * from {{ ref('int_survey_instruments_history') }}
    where is_latest
)

select
    summed.division,
    waves.instrument_id,
    instruments.instrument,
    instruments.audience,
    summed.wave_id,
    waves.field_from,
    waves.field_to,
    waves.mode,
    waves.design,
    coalesce(waves.design = 'Open link' or instruments.recruitment = 'Open link', false) as is_open_link,
    waves.population,
    waves.invited,
    summed.question_id,
    summed.question,
    summed.scale,
    summed.answers,
    summed.valid_answers,
    summed.weight_sum,
    summed.weight_squares,
    summed.top_two_weight,
    summed._file_id,
    summed._night
from summed
inner join waves
    on
        summed.division = waves.division
        and summed.wave_id = waves.wave_id
inner join instruments
    on
        waves.division = instruments.division
        and waves.instrument_id = instruments.instrument_id
