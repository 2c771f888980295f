{{
    register_history(
        ref('stg_strategy__priorities'),
        key=['priority_id'],
        columns=['goal_id', 'priority', 'budget_year'],
        status=none,
    )
}}
