{{
    register_history(
        ref('stg_oversight__service_reviews'),
        key=['review_id'],
        columns=[
            'service', 'review_year', 'scope', 'findings', 'savings_planned', 'savings_realised',
            'recommendations', 'recommendations_implemented',
        ],
    )
}}
