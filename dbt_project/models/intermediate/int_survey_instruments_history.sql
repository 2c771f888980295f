{{
    register_history(
        ref('stg_surveys__survey_instruments'),
        key=['instrument_id'],
        columns=[
            'instrument', 'audience', 'recruitment', 'purpose', 'purpose_stated', 'privacy_notice',
            'accessible', 'plain_language', 'pretested', 'sampling_plan', 'retention_rule', 'results_published',
        ],
    )
}}
