with source as (
    {{ current_delivery('affordable_housing_units', ['project_id']) }}
)

select
    btrim(project_id) as project_id,
    {{ clean_text('addresses') }} as addresses,
    {{ clean_text('anchor_address') }} as anchor_address,
    {{ clean_text('status') }} as status,
    lpad(substring(ward_number from '(\d{1,2})'), 2, '0') as ward_code,
    {{ clean_text('ward_name') }} as ward_name,
    {{ to_number('affordable_homes') }}::integer as affordable_homes,
    {{ to_number('rent_controlled_homes') }}::integer as rent_controlled_homes,
    {{ to_number('rgi_homes') }}::integer as rgi_homes,
    _file_id,
    _row,
    _night
from source
