with source as (
    {{ current_delivery('shelter_occupancy_daily', ['occupancy_date', 'program_id']) }}
)

select
    {{ any_date('occupancy_date') }} as occupied_on,
    organization_id,
    {{ clean_text('organization_name') }} as organization,
    shelter_id,
    {{ clean_text('shelter_group') }} as shelter_group,
    location_id,
    {{ clean_text('location_name') }} as location,
    {{ clean_text('location_city') }} as city,
    program_id,
    {{ clean_text('program_name') }} as program,
    {{ clean_text('sector') }} as sector,
    lower({{ clean_text('program_model') }}) as program_model,
    {{ clean_text('overnight_service_type') }} as service_type,
    {{ clean_text('program_area') }} as program_area,
    {{ to_number('service_user_count') }}::integer as service_users,
    case when capacity_type ilike 'bed%' then 'bed' when capacity_type ilike 'room%' then 'room' end as capacity_unit,
    {{ to_number('coalesce(capacity_actual_bed, capacity_actual_room)') }}::integer as capacity_actual,
    {{ to_number('coalesce(capacity_funding_bed, capacity_funding_room)') }}::integer as capacity_funded,
    {{ to_number('coalesce(occupied_beds, occupied_rooms)') }}::integer as occupied,
    {{ to_number('coalesce(unoccupied_beds, unoccupied_rooms)') }}::integer as unoccupied,
    {{ to_number('coalesce(unavailable_beds, unavailable_rooms)') }}::integer as unavailable,
    {{ to_number('coalesce(occupancy_rate_beds, occupancy_rate_rooms)') }} as published_rate,
    _file_id,
    _row,
    _night
from source
