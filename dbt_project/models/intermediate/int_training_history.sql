{{
    register_history(
        ref('stg_people__training'),
        key=['run_id'],
        columns=[
            'course', 'format', 'held_on', 'sessions', 'invited', 'attended', 'completed', 'scored',
            'pre_score', 'post_score',
        ],
        status=none,
    )
}}
