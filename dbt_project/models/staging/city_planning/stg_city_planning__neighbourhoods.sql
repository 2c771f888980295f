with source as (
    {{ current_delivery('neighbourhoods', ['area_short_code']) }}
)

select
    lpad(substring(area_short_code from '\d+'), 3, '0') as neighbourhood_code,
    {{ clean_text("regexp_replace(area_name, '\s*\(\d+\)\s*$', '')") }} as neighbourhood_name,
    {{ clean_text('classification') }} as designation,
    {{ clean_text('classification_code') }} as designation_code,
    longitude::numeric as longitude,
    latitude::numeric as latitude,
    {{ clean_text('geometry') }} as boundary,
    _file_id,
    _row,
    _night
from source
