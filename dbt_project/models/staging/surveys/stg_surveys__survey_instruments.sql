with source as (
    {{ register_rows('survey_instruments', ['instrument_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(instrument_id) as instrument_id,
    {{ clean_text('instrument') }} as instrument,
    btrim(audience) as audience,
    btrim(recruitment) as recruitment,
    {{ clean_text('purpose') }} as purpose,
    btrim(purpose_stated) as purpose_stated,
    btrim(privacy_notice) as privacy_notice,
    btrim(accessible) as accessible,
    btrim(plain_language) as plain_language,
    btrim(pretested) as pretested,
    btrim(sampling_plan) as sampling_plan,
    btrim(retention_rule) as retention_rule,
    btrim(results_published) as results_published,
    {{ label_code('status') }} as status,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
