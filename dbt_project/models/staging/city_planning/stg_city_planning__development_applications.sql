with source as (
    {{ current_delivery('development_applications') }}
)

select
    upper(btrim(application_type)) as application_type,
    {{ clean_text('application_number') }} as application_number,
    upper(left({{ clean_text('postal') }}, 3)) as forward_sortation_area,
    left(date_submitted, 10)::date as submitted_on,
    {{ clean_text('status') }} as status,
    {{ clean_text('reference_file') }} as reference_file,
    {{ clean_text('folder_number') }} as folder_number,
    lpad(substring(ward_number from '(\d{1,2})'), 2, '0') as ward_code,
    {{ clean_text('ward_name') }} as ward_name,
    {{ any_date('community_meeting_date') }} as community_meeting_on,
    {{ clean_text('parent_folder_number') }} as parent_folder_number,
    row_number() over (
        partition by folder_number order by _night desc, _file_id desc, _row desc
    ) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
