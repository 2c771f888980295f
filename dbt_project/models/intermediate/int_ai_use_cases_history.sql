{{
    register_history(
        ref('stg_technology__ai_use_cases'),
        key=['use_case_id'],
        columns=[
            'use_case', 'purpose', 'origin', 'decides', 'risk_class', 'personal_information',
            'privacy_assessment', 'assessed_on', 'in_use_since', 'review_on',
        ],
    )
}}
