{{
    register_history(
        ref('stg_technology__objective_links'),
        key=['project_id', 'objective'],
        columns=['objective_level', 'goal_id', 'contribution'],
        status=none,
    )
}}
