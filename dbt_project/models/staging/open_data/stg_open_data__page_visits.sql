-- The month is the delivery's period: the export itself carries no date.
with source as (
    select * from {{ source('raw', 'open_data_portal_usage') }}
)

select
    (_period || '-01')::date as month_start,
    btrim(page_url) as page_url,
    substring(page_url from 'open\.toronto\.ca/dataset/([^/?]+)') as package_name,
    sessions::integer as sessions,
    users::integer as users,
    views::integer as views,
    average_session_seconds::numeric as average_session_seconds,
    views_per_session::numeric as views_per_session,
    bounce_rate::numeric as bounce_rate,
    _file_id,
    _row,
    _period,
    _night
from source
