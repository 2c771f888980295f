{{
    register_history(
        ref('stg_innovation__innovation_stints'),
        key=['stint_id'],
        columns=[
            'challenge', 'team', 'funding_source', 'started_on', 'assessed_on', 'generated_on', 'prototyped_on',
            'tested_on', 'ended_on', 'evidence_metric', 'metric_before', 'metric_after', 'has_prototype',
            'outcome', 'procurement_outcome', 'is_scaled',
        ],
    )
}}
