{{
    register_history(
        ref('stg_strategy__requests'),
        key=['request_id'],
        columns=['request_type', 'requester', 'subject', 'received_on', 'standard_days', 'due_on', 'answered_on'],
        watched=['due_on'],
    )
}}
