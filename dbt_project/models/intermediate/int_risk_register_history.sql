{{
    register_history(
        ref('stg_oversight__risk_register'),
        key=['risk_id'],
        columns=[
            'risk', 'category', 'likelihood', 'impact', 'owner_role', 'treatment', 'treatment_plan',
            'treatment_due',
        ],
    )
}}
