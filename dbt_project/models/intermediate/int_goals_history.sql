{{
    register_history(
        ref('stg_strategy__goals'),
        key=['goal_id'],
        columns=['goal', 'expected_result', 'target_date'],
        status=none,
    )
}}
