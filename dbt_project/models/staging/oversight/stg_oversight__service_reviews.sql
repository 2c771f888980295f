with source as (
    {{ register_rows('service_reviews', ['review_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(review_id) as review_id,
    {{ clean_text('service') }} as service,
    review_year::integer as review_year,
    {{ clean_text('scope') }} as scope,
    {{ clean_text('findings') }} as findings,
    {{ to_money('savings_planned') }} as savings_planned,
    {{ to_money('savings_realised') }} as savings_realised,
    recommendations::integer as recommendations,
    recommendations_implemented::integer as recommendations_implemented,
    {{ label_code('status') }} as status,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
