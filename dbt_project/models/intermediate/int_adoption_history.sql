{{
    register_history(
        ref('stg_technology__adoption'),
        key=['project_id', 'solution', 'month'],
        columns=['users', 'active_users', 'divisions_adopting', 'sessions', 'feedback_score', 'feedback_answers'],
        status=none,
    )
}}
