with source as (
    {{ current_delivery('central_intake_calls', ['date']) }}
)

select
    {{ any_date('date') }} as called_on,
    calls_handled::integer as calls_handled,
    calls_coded::integer as calls_coded,
    code_1a::integer as referred_to_space,
    code_1b::integer as transferred_to_helpline,
    code_1c::integer as referred_to_eviction_prevention,
    code_1d::integer as declined_space,
    code_2a::integer as transferred_inside,
    code_2b::integer as transferred_outside,
    code_2c::integer as informed_on_homelessness_services,
    code_2d::integer as informed_on_other_services,
    code_3a::integer as no_space_family,
    code_3b::integer as no_space_individual,
    code_3c::integer as followed_up,
    code_4a::integer as dead_air,
    code_4b::integer as disconnected,
    _file_id,
    _row,
    _night
from source
