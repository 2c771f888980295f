{{
    register_history(
        ref('stg_external__report_card_views'),
        key=['view_id'],
        columns=[
            'publisher', 'edition', 'indicator', 'perspective', 'recommendation', 'sent_on', 'answered_on',
            'answer',
        ],
    )
}}
