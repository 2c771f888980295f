with source as (
    {{ current_delivery('statcan_new_housing_price_index', ['ref_date', 'coordinate']) }}
)

select
    {{ statcan_month('ref_date') }} as reference_month,
    {{ clean_text('geo') }} as geography,
    dguid,
    {{ clean_text('new_housing_price_indexes') }} as component,
    {{ statcan_value() }}
from source
