with source as (
    {{ current_delivery('development_pipeline') }}
)

select
    lower({{ clean_text('pipeline_status') }}) as pipeline_status,
    {{ clean_text('application_number') }} as application_number,
    {{ any_date('date_received') }} as received_on,
    lpad(btrim(ward), 2, '0') as ward_code,
    residential_area::numeric as residential_m2,
    non_residential_area::numeric as non_residential_m2,
    total_area::numeric as total_m2,
    residential_units::numeric::integer as residential_units,
    _file_id,
    _row,
    _night
from source
