{{
    register_history(
        ref('stg_technology__deliverables'),
        key=['deliverable_id'],
        columns=['project_id', 'deliverable', 'due_date', 'delivered_on', 'accepted_by'],
        watched=['due_date'],
    )
}}
