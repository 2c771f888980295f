with source as (
    {{ current_delivery('mbncanada_measures', ['measure_number']) }}
)

select
    btrim(measure_number) as measure_code,
    {{ clean_text('measure_name') }} as measure_name,
    {{ clean_text('program_area') }} as program_area,
    {{ clean_text('section_desc') }} as section,
    {{ clean_text('measure_category') }} as measure_category,
    {{ clean_text('numerator_definition') }} as numerator_definition,
    nullif({{ clean_text('denominator_definition') }}, 'N/A') as denominator_definition,
    mpmp_measure = 'Yes' as is_provincial_measure,
    cao_measure = 'Yes' as is_managers_measure,
    substring(year_created from '^\d{4}')::integer as year_created,
    {{ clean_text('other') }} as remarks,
    {{ clean_text('influencing_factor') }} as influencing_factors,
    _file_id,
    _row,
    _night
from source
