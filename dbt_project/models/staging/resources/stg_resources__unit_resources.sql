with source as (
    {{ register_rows('unit_resources', ['unit', 'fiscal_year', 'fiscal_month']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(unit) as unit,
    fiscal_year::integer as fiscal_year,
    fiscal_month::integer as fiscal_month,
    fte_budget::numeric as fte_budget,
    fte_actual::numeric as fte_actual,
    absence_days::numeric as absence_days,
    {{ to_money('budget') }} as budget,
    {{ to_money('actual') }} as actual,
    workload::numeric as workload,
    {{ clean_text('workload_unit') }} as workload_unit,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
