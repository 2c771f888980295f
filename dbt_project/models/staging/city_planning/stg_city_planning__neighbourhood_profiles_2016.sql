-- The file is transposed: a column per neighbourhood. Labels show their rank by leading spaces and repeat.
with source as (
    {{ current_delivery('neighbourhood_profiles_2016', ['source_id']) }}
),

cells as (
    select
        source.*,
        cell.name as area_key,
        cell.value as value_text
    from source
    cross join lateral jsonb_each_text(to_jsonb(source)) as cell (name, value)
    where
        cell.name not in ('source_id', 'category', 'topic', 'data_source', 'characteristic')
        and cell.name !~ '^_'
)

select
    source_id::integer as characteristic_id,
    category,
    topic,
    data_source,
    btrim(characteristic) as characteristic,
    length(characteristic) - length(ltrim(characteristic)) as indent,
    area_key,
    value_text,
    case
        when value_text ~ '%\s*$' then {{ to_number("replace(value_text, '%', '')") }} * 0.01
        else {{ to_number('value_text') }}
    end as value,
    coalesce(value_text ~ '%\s*$', false) as is_percent,
    _file_id,
    _row,
    _night
from cells
