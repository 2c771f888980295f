with source as (
    {{ current_delivery('building_permits_cleared', ['permit_num', 'revision_num']) }}
)

select
    permit_num,
    revision_num,
    {{ clean_text('permit_type') }} as permit_type,
    {{ clean_text('structure_type') }} as structure_type,
    {{ clean_text('work') }} as work,
    upper(left({{ clean_text('postal') }}, 3)) as forward_sortation_area,
    substring(ward_grid from '(\d{2})') as ward_code,
    left(application_date, 10)::date as applied_on,
    left(issued_date, 10)::date as issued_on,
    left(completed_date, 10)::date as completed_on,
    {{ clean_text('status') }} as status,
    {{ clean_text('current_use') }} as current_use,
    {{ clean_text('proposed_use') }} as proposed_use,
    {{ to_number('dwelling_units_created') }}::integer as dwelling_units_created,
    {{ to_number('dwelling_units_lost') }}::integer as dwelling_units_lost,
    {{ to_money('est_const_cost') }} as estimated_cost,
    assembly::numeric as assembly_m2,
    institutional::numeric as institutional_m2,
    residential::numeric as residential_m2,
    business_and_personal_services::numeric as business_m2,
    mercantile::numeric as mercantile_m2,
    industrial::numeric as industrial_m2,
    interior_alterations::numeric as interior_alterations_m2,
    demolition::numeric as demolition_m2,
    _file_id,
    _row,
    _night
from source
