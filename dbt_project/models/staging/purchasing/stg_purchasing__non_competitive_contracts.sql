with source as (
    {{ current_delivery('non_competitive_contracts') }}
)

select
    contract_id,
    {{ clean_text('workspace_number') }} as workspace_number,
    {{ clean_text('reason') }} as reason,
    case when contract_date ~ '^\d{4}-\d{2}-\d{2}' then left(contract_date, 10)::date end as contracted_on,
    {{ first_of_list('divisions') }} as division,
    {{ first_of_list('wards') }} as ward_name,
    {{ clean_text('supplier') }} as supplier,
    {{ to_money('contract_amount') }} as contract_amount,
    row_number() over (partition by _file_id, contract_id, supplier, contract_amount order by _row) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
