with source as (
    {{ current_delivery('statcan_retail_trade', ['ref_date', 'coordinate']) }}
)

select
    {{ statcan_month('ref_date') }} as reference_month,
    {{ clean_text('geo') }} as geography,
    dguid,
    {{ clean_text('naics') }} as industry,
    {{ clean_text('adjustments') }} as adjustment,
    {{ statcan_value() }}
from source
