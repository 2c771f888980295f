-- The feed repeats a measure's fields on every point and writes its number as a float, so 1.10 arrives as 1.1.
with source as (
    {{ current_delivery('dashboard_measures', ['measure_id', 'year', 'period']) }}
),

typed as (
    select
        source.*,
        {{ measure_id('measure_id') }} as measure_number,
        year::integer as period_year,
        period::integer as period_number,
        array(select {{ clean_text(decode_html('item')) }} from jsonb_array_elements_text(source.categories::jsonb) as item)
            as category_names
    from source
)

select
    measure_number as measure_id,
    {{ clean_text(decode_html('measure_name')) }} as measure_name,
    interval_type,
    {{ period_grain('interval_type') }} as period_grain,
    case value_type when 'n' then 'number' when 'c' then 'currency' when 'p' then 'percent' end as value_type,
    lower(ytd) = 'true' as is_year_to_date,
    lower(has_target) = 'true' as has_target,
    period_threshold::numeric as period_threshold,
    year_threshold::numeric as year_threshold,
    target_threshold::numeric as target_threshold,
    decimals::integer as decimals,
    coalesce(lower(btrim(desired_direction)), 'none') as desired_direction,
    category_names as categories,
    category_names[1] as category,
    {{ clean_text(decode_html('data_source')) }} as data_source_note,
    {{ clean_text(decode_html('city_perspective')) }} as city_perspective,
    {{ clean_text(decode_html('keywords')) }} as keywords,
    period_year,
    period_number,
    {{ period_start('interval_type', 'period_year', 'period_number') }} as period_start,
    value::numeric as value,
    _file_id,
    _row,
    _night
from typed
