{{
    register_history(
        ref('stg_strategy__work_plans'),
        key=['work_plan_id'],
        columns=[
            'priority_id', 'commitment_id', 'work_plan', 'expected_result', 'start_date', 'due_date',
            'completed_on', 'budget', 'fte',
        ],
        watched=['due_date', 'budget'],
    )
}}
