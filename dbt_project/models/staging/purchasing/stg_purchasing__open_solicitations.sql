with source as (
    {{ current_delivery('open_solicitations') }}
)

select
    {{ clean_text('document_number') }} as document_number,
    {{ clean_text('document_type') }} as document_type,
    {{ clean_text('notice_type') }} as notice_type,
    left(issue_date, 10)::date as issued_on,
    left(submission_deadline, 10)::date as submission_deadline_date,
    {{ clean_text('category') }} as category,
    {{ clean_text('description') }} as description,
    {{ clean_text("split_part(division, ',', 1)") }} as division,
    {{ clean_text('wards') }} as wards,
    row_number() over (partition by _file_id, document_number, notice_type order by _row) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
