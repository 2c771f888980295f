with source as (
    {{ current_delivery('library_card_registrations', ['year', 'branch_code']) }}
)

select
    year::integer as activity_year,
    upper(btrim(branch_code)) as branch_code,
    registrations::integer as registrations,
    _file_id,
    _row,
    _night
from source
