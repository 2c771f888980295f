{{
    register_history(
        ref('stg_strategy__plan_indicators'),
        key=['indicator_id'],
        columns=['work_plan_id', 'indicator', 'level', 'unit', 'direction', 'baseline', 'target', 'actual'],
        status=none,
    )
}}
