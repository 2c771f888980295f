-- The file is transposed, with a sheet per census: a column per ward and one for the city. Labels show their rank by leading
-- spaces and repeat, so the row's place in the file is its key.
with source as (
    {{ current_delivery('ward_profiles') }}
),

cells as (
    select
        source.*,
        cell.name as area_key,
        cell.value as value_text
    from source
    cross join lateral jsonb_each_text(to_jsonb(source)) as cell (name, value)
    where cell.name ~ '^(toronto|ward_?\d{1,2})$'
)

select
    _row::integer as characteristic_id,
    substring(_sheet from '20\d{2}')::integer as census_year,
    btrim(characteristic) as characteristic,
    length(characteristic) - length(ltrim(characteristic)) as indent,
    area_key,
    lpad(substring(area_key from '\d+'), 2, '0') as ward_code,
    value_text,
    {{ to_number('value_text') }} as value,
    _file_id,
    _row,
    _sheet,
    _night
from cells
where characteristic is not null
