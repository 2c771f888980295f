with source as (
    {{ current_delivery('licensed_child_care_centres', ['loc_id']) }}
)

select
    loc_id as centre_id,
    {{ clean_text('loc_name') }} as centre,
    lower(replace(replace({{ clean_text('auspice') }}, ' Agency', ''), ' ', '_')) as auspice,
    upper(left({{ clean_text('pcode') }}, 3)) as forward_sortation_area,
    lpad(btrim(ward), 2, '0') as ward_code,
    {{ clean_text('bldg_type') }} as building_type,
    infant_spaces::integer as infant_spaces,
    toddler_spaces::integer as toddler_spaces,
    preschool_spaces::integer as preschool_spaces,
    kindergarten_spaces::integer as kindergarten_spaces,
    school_age_spaces::integer as school_age_spaces,
    total_spaces::integer as total_spaces,
    {{ is_yes('subsidy') }} as has_fee_subsidy,
    {{ any_date('run_date') }} as listed_on,
    {{ is_yes('cwelcc_flag') }} as is_in_canada_wide_system,
    _file_id,
    _row,
    _night
from source
