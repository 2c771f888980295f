-- Estimates are for 1 July of the year in REF_DATE.
with source as (
    {{ current_delivery('statcan_population_cma', ['ref_date', 'coordinate']) }}
)

select
    {{ statcan_month('ref_date', month_of_year=7) }} as reference_month,
    {{ clean_text('geo') }} as geography,
    dguid,
    {{ clean_text('gender') }} as gender,
    {{ clean_text('age_group') }} as age_group,
    {{ statcan_value() }}
from source
