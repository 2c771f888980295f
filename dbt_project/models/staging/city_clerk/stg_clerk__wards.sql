with source as (
    {{ current_delivery('city_wards', ['area_short_code']) }}
)

select
    lpad(substring(area_short_code from '\d+'), 2, '0') as ward_code,
    {{ clean_text('area_name') }} as ward_name,
    longitude::numeric as longitude,
    latitude::numeric as latitude,
    {{ epoch_or_date('date_effective') }} as effective_on,
    {{ epoch_or_date('date_expiry') }} as expires_on,
    _file_id,
    _row,
    _night
from source
