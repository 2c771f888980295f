{{
    register_history(
        ref('stg_technology__milestones'),
        key=['milestone_id'],
        columns=['project_id', 'milestone', 'baseline_date', 'forecast_date', 'actual_date', 'comment'],
        watched=['baseline_date', 'forecast_date'],
    )
}}
