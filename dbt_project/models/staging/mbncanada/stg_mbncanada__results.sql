with source as (
    {{ current_delivery('mbncanada_results', ['municipality_id', 'fiscal_year', 'measure_number']) }}
),

typed as (
    select
        municipality_id,
        {{ clean_text('municipality') }} as municipality,
        fiscal_year::integer as fiscal_year,
        {{ clean_text('program_area') }} as program_area,
        btrim(measure_number) as measure_code,
        {{ clean_text('measure_name') }} as measure_name,
        {{ clean_text('measure_category') }} as measure_category,
        {{ to_number('numerator') }} as numerator,
        {{ to_number('denominator') }} as denominator,
        {{ to_number('result') }} as result,
        {{ clean_text('notes') }} as notes,
        _file_id,
        _row,
        _night
    from source
)

select
    municipality_id,
    municipality,
    fiscal_year,
    program_area,
    measure_code,
    measure_name,
    measure_category,
    numerator,
    denominator,
    result,
    notes,
    -- results are printed with two decimals or four, hence the tolerance
    abs(result - numerator / nullif(denominator, 0))
    <= 0.006 * greatest(1, abs(numerator / nullif(denominator, 0))) as is_own_ratio,
    _file_id,
    _row,
    _night
from typed
