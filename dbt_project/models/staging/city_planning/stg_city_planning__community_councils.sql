with source as (
    {{ current_delivery('community_councils', ['area_short_code']) }}
)

select
    upper(btrim(area_short_code)) as council_code,
    {{ clean_text('area_name') }} as council_name,
    longitude::numeric as longitude,
    latitude::numeric as latitude,
    _file_id,
    _row,
    _night
from source
