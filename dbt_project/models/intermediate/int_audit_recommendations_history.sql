{{
    register_history(
        ref('stg_oversight__audit_recommendations'),
        key=['recommendation_id'],
        columns=[
            'report', 'source', 'recommendation', 'priority', 'made_on', 'due_date', 'revised_due_date',
            'implemented_on',
        ],
    )
}}
