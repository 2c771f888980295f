with source as (
    {{ current_delivery('multi_tenant_house_licences') }}
)

select
    {{ clean_text('district') }} as district,
    lpad(substring(ward from '(\d{1,2})'), 2, '0') as ward_code,
    replace(lower({{ clean_text('status') }}), ' ', '_') as status,
    _file_id,
    _row,
    _night
from source
