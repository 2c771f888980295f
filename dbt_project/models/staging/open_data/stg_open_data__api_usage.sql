with source as (
    select * from {{ source('raw', 'open_data_web_analytics') }}
)

select
    left(date, 10)::date as usage_date,
    {{ clean_text('uri') }} as uri,
    {{ clean_text('id') }} as dataset_id,
    count::integer as requests,
    row_number() over (partition by _file_id, date, uri, id order by _row) > 1 as is_repeat,
    _file_id,
    _row,
    _period,
    _night
from source
