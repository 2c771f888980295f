with source as (
    {{ register_rows('survey_answers', ['answer_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(answer_id) as answer_id,
    btrim(wave_id) as wave_id,
    btrim(question_id) as question_id,
    {{ clean_text('question') }} as question,
    scale::integer as scale,
    btrim(answer) as answer,
    weight::numeric as weight,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
