{{
    register_history(
        ref('stg_resources__unit_resources'),
        key=['unit', 'fiscal_year', 'fiscal_month'],
        columns=['fte_budget', 'fte_actual', 'absence_days', 'budget', 'actual', 'workload', 'workload_unit'],
        status=none,
    )
}}
