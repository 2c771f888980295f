with source as (
    {{ current_delivery('toronto_311_by_ward', ['ward_code']) }}
)

select
    lpad(substring(ward_code from '^\d+'), 2, '0') as ward_code,
    {{ clean_text('ward_name') }} as ward_name,
    requests::integer as requests,
    backlog_base::integer as requests_of_backlog_years,
    backlog_open::integer as requests_still_open,
    backlog_rate::numeric as open_share,
    median_household_income::integer as median_household_income,
    {{ clean_text('top_division') }} as top_division,
    top_division_share::numeric as top_division_share,
    _file_id,
    _row,
    _night
from source
