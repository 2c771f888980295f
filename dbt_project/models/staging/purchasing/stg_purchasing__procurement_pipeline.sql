with source as (
    {{ current_delivery('procurement_pipeline', ['number']) }}
)

select
    btrim(number) as project_number,
    {{ clean_text('contract_name') }} as contract_name,
    {{ clean_text('description') }} as work_description,
    {{ clean_text('scope') }} as scope,
    {{ clean_text('delivery_division') }} as delivery_division,
    {{ clean_text('owner_division') }} as owner_division,
    substring(sourcing_year from '20\d{2}')::integer as sourcing_year,
    substring(award_year from '20\d{2}')::integer as award_year,
    {{ clean_text('sourcing_type') }} as sourcing_type,
    {{ clean_text('estimated_range') }} as estimated_range,
    {{ to_number('term_months') }}::integer as term_months,
    _file_id,
    _row,
    _night
from source
