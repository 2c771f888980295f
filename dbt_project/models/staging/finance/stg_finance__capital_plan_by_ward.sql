-- Ten amounts stand side by side, named Year 1 to Year 10 or by the year itself; a row here is one of them.
with source as (
    select * from {{ source('raw', 'capital_plan_by_ward') }}
),

amounts as (
    select
        source.*,
        case
            when cell.name ~ '^c_20\d{2}$' then substr(cell.name, 3)::integer
            else source._period::integer + substring(cell.name from '\d+')::integer - 1
        end as fiscal_year,
        cell.value as amount_text
    from source
    cross join lateral jsonb_each_text(to_jsonb(source)) as cell (name, value)
    where cell.name ~ '^(year_?\d{1,2}|c_20\d{2})$'
)

select
    _period::integer as plan_year,
    {{ clean_text('program') }} as program,
    {{ clean_text('project') }} as project,
    {{ clean_text('sub_project') }} as sub_project,
    {{ clean_text('category') }} as category,
    case when btrim(ward_number) ~ '^\d{1,2}(\.0)?$' then lpad(substring(ward_number from '\d+'), 2, '0') end as ward_code,
    coalesce(upper(btrim(ward_number)) = 'CW', false) as is_city_wide,
    fiscal_year,
    {{ to_money('amount_text') }} * 1000 as amount,
    _file_id,
    _row,
    _sheet,
    _night
from amounts
where amount_text is not null
