with source as (
    {{ current_delivery('short_term_rental_registrations') }}
)

select
    {{ clean_text('data_name') }} as measure,
    {{ clean_text('data_type') }} as category,
    year::integer as year,
    {{ month_number('month_name') }} as month_number,
    data_count::numeric as value,
    make_date(year::integer, {{ month_number('month_name') }}, 1) as month_start,
    row_number() over (
        partition by data_name, data_type, year, month_name order by _night desc, _file_id desc, _row desc
    ) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
