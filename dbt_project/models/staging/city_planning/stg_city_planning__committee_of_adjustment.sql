with source as (
    {{ current_delivery('committee_of_adjustment_applications') }}
)

select
    system_id,
    {{ clean_text('application_type') }} as application_type,
    {{ any_date('in_date') }} as received_on,
    {{ clean_text('planning_district') }} as planning_district,
    lpad(substring(ward_number from '(\d{1,2})'), 2, '0') as ward_code,
    {{ clean_text('ward_name') }} as ward_name,
    upper(left({{ clean_text('postal') }}, 3)) as forward_sortation_area,
    {{ clean_text('reference_file') }} as reference_file,
    {{ clean_text('sub_type') }} as sub_type,
    {{ clean_text('work_type') }} as work_type,
    {{ any_date('hearing_date') }} as heard_on,
    {{ clean_text('decision') }} as decision,
    {{ is_yes('objection') }} as had_objection,
    {{ any_date('appeal_expiry_date') }} as appeal_ends_on,
    {{ any_date('appeal_order_date') }} as appeal_decided_on,
    {{ clean_text('appeal_decision') }} as appeal_decision,
    {{ to_number('lots_created') }}::integer as lots_created,
    {{ clean_text('status') }} as status,
    {{ any_date('final_date') }} as closed_on,
    row_number() over (
        partition by system_id order by _night desc, _file_id desc, _row desc
    ) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
