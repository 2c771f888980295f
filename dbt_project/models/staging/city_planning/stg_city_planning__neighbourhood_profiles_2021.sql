-- The file is transposed: a column per neighbourhood, whose number stands in a row of its own. Labels show their rank
-- by leading spaces and repeat, so the row's place in the file is its key.
with source as (
    {{ current_delivery('neighbourhood_profiles_2021') }}
),

cells as (
    select
        source.*,
        cell.name as area_key,
        cell.value as value_text
    from source
    cross join lateral jsonb_each_text(to_jsonb(source)) as cell (name, value)
    where cell.name != 'characteristic' and cell.name !~ '^_'
)

select
    _row::integer as characteristic_id,
    btrim(characteristic) as characteristic,
    length(characteristic) - length(ltrim(characteristic)) as indent,
    area_key,
    lpad(
        substring(
            max(value_text) filter (where btrim(characteristic) = 'Neighbourhood Number')
                over (partition by _file_id, area_key)
            from '^\d+'
        ),
        3,
        '0'
    ) as neighbourhood_code,
    value_text,
    {{ to_number('value_text') }} as value,
    _file_id,
    _row,
    _night
from cells
