-- One row per survey wave and question. A result on fewer than 30 answers is hidden with its base, and so is what would
-- tell it: see `disclosure` beside the columns.
select
    figures.division,
    figures.instrument_id,
    figures.instrument,
    figures.audience,
    figures.wave_id,
    figures.question_id,
    figures.question,
    figures.field_from,
    figures.field_to,
    figures.mode,
    figures.design,
    figures.is_open_link,
    figures.population,
    figures.invited,
    {{ disclosed('answers') }},
    {{ disclosed_count('valid_answers') }},
    {{ disclosed('response_rate') }},
    {{ disclosed('effective_base') }},
    {{ disclosed('top_two_share') }},
    {{ disclosed('margin_of_error') }},
    {{ disclosed('margin_of_error_finite') }},
    {{ is_suppressed('valid_answers') }},
    figures.previous_wave_id,
    {{ disclosed('change_in_share') }},
    {{ disclosed('z') }},
    {{ disclosed('is_significant') }}
from {{ ref('mart_survey_result') }} as figures
left join {{ ref('mart_disclosure') }} as disclosure
    on {{ disclosure_key('survey_result', ['division', 'wave_id', 'question_id']) }}
