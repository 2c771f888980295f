with source as (
    {{ current_delivery('statcan_labour_force_cma', ['ref_date', 'coordinate']) }}
)

select
    {{ statcan_month('ref_date') }} as reference_month,
    {{ clean_text('geo') }} as geography,
    dguid,
    {{ clean_text('labour_force_characteristics') }} as characteristic,
    {{ clean_text('statistics') }} as statistic,
    {{ clean_text('data_type') }} as data_type,
    {{ statcan_value() }}
from source
