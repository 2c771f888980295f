with source as (
    {{ current_delivery('major_crime_indicators') }}
)

select
    event_unique_id as event_id,
    (to_timestamp(report_date::bigint / 1000) at time zone 'America/Toronto')::date as reported_on,
    (to_timestamp(occ_date::bigint / 1000) at time zone 'America/Toronto')::date as occurred_on,
    {{ to_number('report_hour') }}::integer as report_hour,
    {{ to_number('occ_hour') }}::integer as occurred_hour,
    nullif(btrim(division), 'NSA') as police_division,
    {{ clean_text('location_type') }} as location_type,
    {{ clean_text('premises_type') }} as premises_type,
    ucr_code,
    ucr_ext as ucr_extension,
    {{ clean_text('offence') }} as offence,
    lower(replace({{ clean_text('csi_category') }}, ' ', '_')) as category,
    lpad(substring(hood_158 from '^\s*(\d+)\s*$'), 3, '0') as neighbourhood_158_code,
    nullif(regexp_replace({{ clean_text('neighbourhood_158') }}, ' ?\(\d+\)$', ''), 'NSA') as neighbourhood_158_name,
    lpad(substring(hood_140 from '^\s*(\d+)\s*$'), 3, '0') as neighbourhood_140_code,
    nullif(regexp_replace({{ clean_text('neighbourhood_140') }}, ' ?\(\d+\)$', ''), 'NSA') as neighbourhood_140_name,
    row_number() over (
        partition by event_unique_id order by _night desc, _file_id desc, _row desc
    ) > 1 as is_repeat,
    _file_id,
    _row,
    _night
from source
