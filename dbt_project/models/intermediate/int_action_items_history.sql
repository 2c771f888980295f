{{
    register_history(
        ref('stg_strategy__action_items'),
        key=['action_id'],
        columns=['meeting', 'action', 'owner_role', 'raised_on', 'due_date', 'done_on'],
        watched=['due_date'],
    )
}}
