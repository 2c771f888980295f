with source as (
    {{ current_delivery('bank_of_canada_rates', ['series', 'date']) }}
)

select
    series,
    date::date as observed_on,
    date_trunc('month', date::date)::date as month_start,
    value::numeric as value,
    _file_id,
    _row,
    _night
from source
