{{
    register_history(
        ref('stg_technology__project_risks'),
        key=['risk_id'],
        columns=[
            'project_id', 'risk', 'likelihood', 'impact', 'response', 'owner_role', 'raised_on', 'review_on',
        ],
    )
}}
