{{
    register_history(
        ref('stg_engagement__engagement_activities'),
        key=['activity_id'],
        columns=[
            'activity', 'team', 'kind', 'method', 'held_on', 'reach', 'participants', 'contacts', 'themes',
            'linked_decision', 'cost', 'satisfaction', 'satisfaction_answers',
        ],
    )
}}
