-- A share on fewer than 30 valid answers is not shown. Answers that anybody could give over an open link are no sample:
-- they have no margin of error and are not tested against another wave.
with results as (
    select
        *,
        {{ effective_base('weight_sum', 'weight_squares') }} as effective_base,
        case when valid_answers >= 30 then {{ ratio('top_two_weight', 'weight_sum') }} end as top_two_share
    from {{ ref('int_survey_results') }}
),

compared as (
    select
        *,
        lag(wave_id) over earlier as previous_wave_id,
        lag(top_two_share) over earlier as previous_share,
        lag(effective_base) over earlier as previous_base
    from results
    window earlier as (
        partition by division, instrument_id, question_id, is_open_link order by field_to, wave_id
    )
),

tested as (
    select
        *,
        case
            when not is_open_link
                then {{ two_proportion_z('top_two_share', 'effective_base', 'previous_share', 'previous_base') }}
        end as z
    from compared
)

select
    division,
    instrument_id,
    instrument,
    audience,
    wave_id,
    question_id,
    question,
    field_from,
    field_to,
    mode,
    design,
    is_open_link,
    population,
    invited,
    answers::bigint as answers,
    valid_answers::bigint as valid_answers,
    case when not is_open_link then {{ ratio('answers', 'invited') }} end as response_rate,
    trim_scale(round(effective_base, 1)) as effective_base,
    top_two_share,
    case when valid_answers >= 30 and not is_open_link then {{ margin_of_error('effective_base') }} end as margin_of_error,
    case
        when valid_answers >= 30 and not is_open_link
            then {{ margin_of_error('effective_base', 'population') }}
    end as margin_of_error_finite,
    valid_answers < 30 as is_suppressed,
    previous_wave_id,
    top_two_share - previous_share as change_in_share,
    trim_scale(round(z, 3)) as z,
    abs(z) >= 1.96 as is_significant
from tested
