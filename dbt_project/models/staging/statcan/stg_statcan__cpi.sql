with source as (
    {{ current_delivery('statcan_cpi', ['ref_date', 'coordinate']) }}
)

select
    {{ statcan_month('ref_date') }} as reference_month,
    {{ clean_text('geo') }} as geography,
    dguid,
    {{ clean_text('products_and_product_groups') }} as product_group,
    {{ statcan_value() }}
from source
