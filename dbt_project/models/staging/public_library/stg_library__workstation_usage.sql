with source as (
    {{ current_delivery('library_workstation_usage', ['year', 'branch_code']) }}
)

select
    year::integer as activity_year,
    upper(btrim(branch_code)) as branch_code,
    sessions::integer as sessions,
    year::integer <= 2017 as is_estimate,
    _file_id,
    _row,
    _night
from source
