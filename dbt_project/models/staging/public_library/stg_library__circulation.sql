with source as (
    {{ current_delivery('library_circulation', ['year', 'branch_code']) }}
)

select
    year::integer as activity_year,
    upper(btrim(branch_code)) as branch_code,
    circulation::integer as circulation,
    _file_id,
    _row,
    _night
from source
