{{
    register_history(
        ref('stg_engagement__partnerships'),
        key=['partnership_id'],
        columns=[
            'partner', 'kind', 'purpose', 'started_on', 'ends_on', 'contribution', 'funding_source',
            'solutions_reused', 'divisions_coached', 'recruits',
        ],
    )
}}
