-- The last row of some years names nothing and carries the total of all lines. It checks the load and is not data.
with source as (
    select * from {{ source('raw', 'operating_budget') }}
    where program is not null
)

select
    _period::integer as fiscal_year,
    {{ clean_text('program') }} as program,
    {{ clean_text('service') }} as service,
    nullif({{ clean_text('activity') }}, 'Not assigned') as activity,
    case lower(left(btrim(expense_revenue), 3)) when 'exp' then 'expense' when 'rev' then 'revenue' end as flow,
    {{ clean_text('category_name') }} as category,
    {{ clean_text('sub_category_name') }} as sub_category,
    {{ clean_text('commitment_item') }} as commitment_item,
    {{ to_money('amount') }} as amount,
    _file_id,
    _row,
    _period,
    _night
from source
