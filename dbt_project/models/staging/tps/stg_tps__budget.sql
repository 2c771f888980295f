with source as (
    select * from {{ source('raw', 'police_budget') }}
)

select
    fiscal_year::integer as fiscal_year,
    lower({{ clean_text('budget_type') }}) as budget_type,
    {{ clean_text('organizational_entity') }} as organizational_entity,
    {{ clean_text('command_name') }} as command,
    {{ clean_text('pillar_name') }} as pillar,
    {{ clean_text('district_name') }} as district,
    {{ clean_text('unit_name') }} as unit,
    {{ clean_text('feature_category') }} as category,
    btrim(cost_element) as cost_element,
    {{ clean_text('cost_element_name') }} as cost_element_name,
    {{ to_money('amount') }} as amount,
    _file_id,
    _row,
    _period,
    _night
from source
