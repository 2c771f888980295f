-- The file has a column per crime and year and gains some each year, so columns are read by the pattern of their names.
-- A count of none is left blank, never 0. Only the latest year's population is there.
with source as (
    {{ current_delivery('neighbourhood_crime_rates', ['hood_id']) }}
),

cells as (
    select
        source.hood_id,
        source.area_name,
        source._file_id,
        source._row,
        source._night,
        substring(cell.name from '^(.+?)_(?:rate_)?\d{4}$') as prefix,
        substring(cell.name from '(\d{4})$')::integer as crime_year,
        cell.name ~ '_rate_' as is_rate,
        cell.value::numeric as value
    from source
    cross join lateral jsonb_each_text(to_jsonb(source)) as cell (name, value)
    where cell.name ~ '^[a-z]+_(rate_)?\d{4}$'
),

crimes as (
    select
        hood_id,
        area_name,
        prefix,
        crime_year,
        max(value) filter (where not is_rate) as incidents,
        max(value) filter (where is_rate) as published_rate,
        _file_id,
        _row,
        _night
    from cells
    group by hood_id, area_name, prefix, crime_year, _file_id, _row, _night
),

-- Side by side rather than joined: nobody can estimate how many rows a JSON unpivots to, and a wrong guess costs minutes.
with_population as (
    select
        crimes.*,
        max(incidents) filter (where prefix = 'population') over (partition by hood_id, crime_year) as population
    from crimes
)

select
    lpad(with_population.hood_id, 3, '0') as neighbourhood_code,
    {{ clean_text("regexp_replace(with_population.area_name, '\\(\\d+\\)$', '')") }} as neighbourhood_name,
    case with_population.prefix
        when 'autotheft' then 'auto_theft'
        when 'biketheft' then 'bike_theft'
        when 'breakenter' then 'break_and_enter'
        when 'theftfrommv' then 'theft_from_motor_vehicle'
        when 'theftover' then 'theft_over'
        else with_population.prefix
    end as crime,
    with_population.crime_year,
    coalesce(with_population.incidents, 0)::integer as incidents,
    with_population.incidents is null as is_null_in_file,
    coalesce(with_population.published_rate, 0) as published_rate,
    with_population.population::integer as population,
    with_population._file_id,
    with_population._row,
    with_population._night
from with_population
where with_population.prefix <> 'population'
