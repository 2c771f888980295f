with source as (
    {{ register_rows('survey_waves', ['wave_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(wave_id) as wave_id,
    btrim(instrument_id) as instrument_id,
    field_from::date as field_from,
    field_to::date as field_to,
    btrim(mode) as mode,
    btrim(design) as design,
    population::integer as population,
    invited::integer as invited,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
