-- No key in the feed: a solicitation may be awarded twice to one supplier. Equal awards stay and are flagged.
with source as (
    {{ current_delivery('awarded_contracts') }}
)

select
    solicitation_id,
    {{ clean_text('document_number') }} as document_number,
    {{ clean_text('document_type') }} as document_type,
    {{ clean_text('category') }} as category,
    {{ clean_text('description') }} as description,
    {{ first_of_list('divisions') }} as division,
    {{ first_of_list('wards') }} as ward_name,
    {{ clean_text('supplier') }} as supplier,
    {{ to_money('award_amount') }} as award_amount,
    case when date_awarded ~ '^\d{4}-\d{2}-\d{2}' then left(date_awarded, 10)::date end as awarded_on,
    row_number() over (
        partition by _file_id, solicitation_id, supplier, award_amount, date_awarded
        order by _row
    ) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
