-- A quarter is named by its first month. Totals stand beside their parts, counts of a quarter beside rates for a year:
-- filter unit_type and adjustment before anything is summed.
with source as (
    {{ current_delivery('statcan_housing_starts', ['ref_date', 'coordinate']) }}
)

select
    {{ statcan_month('ref_date') }} as reference_month,
    {{ clean_text('geo') }} as geography,
    dguid,
    {{ clean_text('housing_estimates') }} as stage,
    {{ clean_text('type_of_unit') }} as unit_type,
    {{ clean_text('seasonal_adjustment') }} as adjustment,
    {{ statcan_value() }}
from source
