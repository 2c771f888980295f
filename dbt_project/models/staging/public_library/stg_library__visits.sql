with source as (
    {{ current_delivery('library_visits', ['year', 'branch_code']) }}
)

select
    year::integer as activity_year,
    upper(btrim(branch_code)) as branch_code,
    visits::integer as visits,
    _file_id,
    _row,
    _night
from source
