with source as (
    {{ current_delivery('business_licences') }}
)

select
    upper({{ clean_text('category') }}) as category,
    btrim(licence_number) as licence_number,
    {{ any_date('issued') }} as issued_on,
    lpad(substring(ward from '(\d{1,2})'), 2, '0') as ward_code,
    {{ clean_text('endorsements') }} as endorsements,
    {{ any_date('cancel_date') }} as cancelled_on,
    {{ any_date('last_update') }} as updated_on,
    row_number() over (
        partition by licence_number order by _night desc, _file_id desc, _row desc
    ) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
