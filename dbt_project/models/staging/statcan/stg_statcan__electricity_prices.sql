-- The national total stands beside the two groups of customers that it is made of; other places have only the groups.
with source as (
    {{ current_delivery('statcan_electricity_prices', ['ref_date', 'coordinate']) }}
)

select
    {{ statcan_month('ref_date') }} as reference_month,
    {{ clean_text('geo') }} as geography,
    dguid,
    {{ clean_text('price_index') }} as price_index,
    {{ statcan_value() }}
from source
