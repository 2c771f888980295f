with source as (
    {{ current_delivery('transit_ridership_extract', ['month', 'mode']) }}
)

select
    (btrim(month) || '-01')::date as month_start,
    btrim(mode) as mode,
    boardings::bigint as boardings,
    {{ to_money('revenue') }} as revenue,
    _file_id,
    _row,
    _night
from source
