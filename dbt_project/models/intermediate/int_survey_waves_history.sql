{{
    register_history(
        ref('stg_surveys__survey_waves'),
        key=['wave_id'],
        columns=['instrument_id', 'field_from', 'field_to', 'mode', 'design', 'population', 'invited'],
        status=none,
    )
}}
