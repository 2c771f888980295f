-- The publisher writes some blanks as 'None'.
with source as (
    select * from {{ source('raw', 'collisions_ksi') }}
)

select
    collision_id,
    left(accdate, 19)::timestamp as collided_at,
    {{ to_number('per_inv') }}::integer as persons_involved,
    nullif({{ clean_text('acclass') }}, 'None') as collision_class,
    nullif({{ clean_text('accloc') }}, 'None') as location_type,
    nullif({{ clean_text('traffictl') }}, 'None') as traffic_control,
    nullif({{ clean_text('impactype') }}, 'None') as impact_type,
    nullif({{ clean_text('visible') }}, 'None') as visibility,
    nullif({{ clean_text('light') }}, 'None') as light,
    nullif({{ clean_text('rdsfcond') }}, 'None') as road_surface,
    nullif({{ clean_text('road_class') }}, 'None') as road_class,
    {{ is_yes('failtorem') }} as failed_to_remain,
    {{ to_number('veh_no') }}::integer as vehicle_number,
    nullif({{ clean_text('vehtype') }}, 'None') as vehicle_type,
    nullif({{ clean_text('initdir') }}, 'None') as direction,
    {{ to_number('per_no') }}::integer as person_number,
    {{ to_number('invage') }}::integer as age,
    nullif({{ clean_text('injury') }}, 'None') as injury_as_found,
    nullif({{ clean_text('drivact') }}, 'None') as driver_action,
    nullif({{ clean_text('drivcond') }}, 'None') as driver_condition,
    nullif({{ clean_text('pedact') }}, 'None') as pedestrian_action,
    nullif({{ clean_text('manoeuvre') }}, 'None') as manoeuvre,
    nullif({{ clean_text('road_user') }}, 'None') as road_user,
    {{ to_number('fatal_no') }}::integer as fatality_number,
    nullif({{ clean_text('wardname') }}, 'None') as ward_name,
    nullif({{ clean_text('division') }}, 'None') as police_division,
    nullif({{ clean_text('neighbourhood') }}, 'None') as neighbourhood_name,
    {{ is_yes('aggressive') }} as has_aggressive_driving,
    {{ is_yes('distracted') }} as has_distraction,
    {{ is_yes('cyclist') }} as has_cyclist,
    {{ is_yes('motorcyclist') }} as has_motorcyclist,
    {{ is_yes('other_micromobility') }} as has_other_micromobility,
    {{ is_yes('older_adult') }} as has_older_adult,
    {{ is_yes('pedestrian') }} as has_pedestrian,
    {{ is_yes('red_light') }} as has_red_light,
    {{ is_yes('school_child') }} as has_school_child,
    {{ is_yes('heavy_truck') }} as has_heavy_truck,
    case
        when injury ~* '^\s*(4|fatal)' then 'fatal'
        when injury ~* '^\s*(3|major)' then 'major'
        when injury ~* '^\s*(2|minor)' then 'minor'
        when injury ~* '^\s*(1|minimal)' then 'minimal'
        when injury ~* '^\s*0' then 'none'
    end as injury,
    row_number() over (
        partition by collision_id, per_no, veh_no order by _night desc, _file_id desc, _row desc
    ) > 1 as is_repeat,
    _file_id,
    _row,
    _period,
    _night
from source
