with source as (
    {{ current_delivery('active_affordable_social_housing_units', ['quarter']) }}
)

select
    {{ quarter_start('quarter') }} as quarter_start,
    {{ to_number('subsidized_units') }}::integer as subsidized_homes,
    {{ to_number('affordable_units') }}::integer as affordable_homes,
    _file_id,
    _row,
    _night
from source
