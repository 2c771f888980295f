with source as (
    {{ current_delivery('wards_elected_councillors', ['area_id']) }}
)

select
    area_id,
    lpad(substring(ward_number from '\d+'), 2, '0') as ward_code,
    {{ clean_text('area_name') }} as ward_name,
    {{ clean_text('councillor') }} as councillor,
    {{ clean_text('url_link') }} as page_url,
    {{ epoch_or_date('date_effective') }} as effective_on,
    {{ epoch_or_date('date_expiry') }} as expires_on,
    _file_id,
    _row,
    _night
from source
