{{
    register_history(
        ref('stg_technology__projects'),
        key=['project_id'],
        columns=[
            'project', 'kind', 'purpose', 'sponsor_role', 'start_date', 'planned_end', 'stated_health',
            'funding_source', 'budget', 'spent', 'comment',
        ],
        watched=['planned_end', 'budget'],
    )
}}
