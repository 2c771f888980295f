with source as (
    {{ current_delivery('dinesafe_inspections', ['unique_id']) }}
)

select
    unique_id as record_id,
    establishment_id,
    {{ clean_text('establishment_name') }} as establishment,
    lower(replace({{ clean_text('inspection_status') }}, ' ', '_')) as result,
    left(inspection_date, 10)::date as inspected_on,
    {{ clean_text('infraction_category') }} as infraction_category,
    left(outcome_date, 10)::date as outcome_on,
    {{ clean_text('outcome') }} as outcome,
    amount_fined::numeric as fine,
    {{ clean_text('infraction_category') }} is not null as is_infraction,
    _file_id,
    _row,
    _night
from source
