-- Totals stand beside their commodities, the country beside its two divisions, cars beside tonnes and containers: filter
-- geography, component and estimate before anything is summed.
with source as (
    {{ current_delivery('statcan_railway_carloadings', ['ref_date', 'coordinate']) }}
)

select
    {{ statcan_month('ref_date') }} as reference_month,
    {{ clean_text('geo') }} as geography,
    dguid,
    {{ clean_text('component') }} as component,
    {{ clean_text('estimate') }} as estimate,
    {{ statcan_value() }}
from source
