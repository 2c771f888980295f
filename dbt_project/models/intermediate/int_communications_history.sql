{{
    register_history(
        ref('stg_engagement__communications'),
        key=['item_id'],
        columns=['title', 'channel', 'audience', 'published_on', 'reach', 'is_open'],
        status=none,
    )
}}
