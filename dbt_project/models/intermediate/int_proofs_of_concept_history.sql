{{
    register_history(
        ref('stg_technology__proofs_of_concept'),
        key=['poc_id'],
        columns=[
            'poc', 'hypothesis', 'metric', 'unit', 'direction', 'target', 'result', 'started_on', 'ended_on',
            'decision', 'reason',
        ],
    )
}}
