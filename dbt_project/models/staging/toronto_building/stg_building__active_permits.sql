with source as (
    {{ current_delivery('building_permits_active', ['permit_num', 'revision_num']) }}
)

select
    permit_num,
    revision_num,
    {{ clean_text('permit_type') }} as permit_type,
    {{ clean_text('structure_type') }} as structure_type,
    {{ clean_text('work') }} as work,
    substring(ward_grid from '(\d{2})') as ward_code,
    left(application_date, 10)::date as applied_on,
    left(issued_date, 10)::date as issued_on,
    {{ clean_text('status') }} as status,
    {{ to_number('dwelling_units_created') }}::integer as dwelling_units_created,
    {{ to_number('dwelling_units_lost') }}::integer as dwelling_units_lost,
    {{ to_money('est_const_cost') }} as estimated_cost,
    _file_id,
    _row,
    _night
from source
