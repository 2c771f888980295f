-- The list reached the portal with its dashes encoded twice.
with source as (
    {{ current_delivery('ttc_subway_delay_codes', ['code']) }}
)

select
    upper(btrim(code)) as code,
    {{ clean_text(mend_punctuation('description')) }} as description,
    case substring(upper(btrim(code)) from 1 for 1)
        when 'M' then 'miscellaneous'
        when 'T' then 'transportation'
        when 'E' then 'equipment'
        when 'P' then 'plant'
        when 'S' then 'security'
    end as cause_group,
    _file_id,
    _row,
    _night
from source
