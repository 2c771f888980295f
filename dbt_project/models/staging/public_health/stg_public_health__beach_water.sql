with source as (
    {{ current_delivery('toronto_beaches_water_quality', ['beach_id', 'site_name', 'collection_date']) }}
)

select
    beach_id::integer as beach_id,
    {{ clean_text('beach_name') }} as beach_name,
    {{ clean_text('site_name') }} as site_name,
    left(collection_date, 10)::date as collected_on,
    e_coli::integer as e_coli_per_100_ml,
    {{ clean_text('comments') }} as comments,
    _file_id,
    _row,
    _night
from source
