-- The years of the first filling are delivered whole, so raw holds each position once.
with source as (
    select * from {{ source('raw', 'workforce_positions') }}
)

select
    btrim(position_id) as position_id,
    {{ clean_text('division') }} as division,
    {{ clean_text('unit') }} as unit,
    status,
    fte::numeric as fte,
    hired_on::date as hired_on,
    ended_on::date as ended_on,
    updated_at::timestamp as updated_at,
    _file_id,
    _row,
    _period,
    _night
from source
