-- Two lists from one sheet; the header over a list says whose codes it holds.
with source as (
    {{ current_delivery('ttc_delay_codes_workbook', ['code']) }}
)

select
    upper(btrim(code)) as code,
    {{ clean_text('description') }} as description,
    case when _sheet ~* 'SUB' then 'subway' when _sheet ~* 'SRT' then 'srt' end as railway,
    _file_id,
    _row,
    _night
from source
