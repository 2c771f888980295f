-- The scored items come and go with the form, so they stand together in one column.
with source as (
    {{ current_delivery('apartment_building_evaluations') }}
)

select
    btrim(rsn) as building_id,
    {{ to_number('year_registered') }}::integer as year_registered,
    year_built::integer as year_built,
    year_evaluated::integer as year_evaluated,
    lower({{ clean_text('property_type') }}) as property_type,
    lpad(substring(ward from '(\d{1,2})'), 2, '0') as ward_code,
    {{ clean_text('ward_name') }} as ward_name,
    {{ clean_text('site_address') }} as address,
    {{ to_number('storeys') }}::integer as storeys,
    {{ to_number('units') }}::integer as units,
    {{ any_date('evaluated_on') }} as evaluated_on,
    {{ to_number('building_score') }} as building_score,
    {{ to_number('proactive_score') }} as proactive_score,
    {{ to_number('reactive_score') }} as reactive_score,
    areas_evaluated::integer as areas_evaluated,
    jsonb_strip_nulls(to_jsonb(source) - array[
        'rsn', 'year_registered', 'year_built', 'year_evaluated', 'property_type', 'ward',
        'ward_name', 'site_address', 'storeys', 'units', 'evaluated_on',
        'building_score', 'proactive_score', 'reactive_score', 'areas_evaluated', 'source_id',
        '_file_id', '_row', '_sheet', '_period', '_night'
    ]) as item_scores,
    row_number() over (
        partition by rsn, evaluated_on order by _night desc, _file_id desc, _row desc
    ) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
