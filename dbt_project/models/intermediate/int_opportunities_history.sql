{{
    register_history(
        ref('stg_engagement__opportunities'),
        key=['opportunity_id'],
        columns=[
            'opportunity', 'proposed_by', 'proposed_on', 'reach_score', 'impact_score', 'amenability_score',
            'decided_on', 'reason',
        ],
    )
}}
