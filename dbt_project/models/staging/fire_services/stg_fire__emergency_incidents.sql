with source as (
    select * from {{ source('raw', 'fire_emergency_incidents') }}
)

select
    incident_number,
    {{ clean_text('initial_event_type') }} as initial_event_type,
    {{ clean_text('initial_call_type') }} as initial_call_type,
    {{ clean_text('final_incident_type') }} as final_incident_type,
    alarm_level::integer as alarm_level,
    {{ clean_text('call_source') }} as call_source,
    {{ clean_text('station_area') }} as station_area,
    lpad(substring(incident_ward from '(\d{1,2})'), 2, '0') as ward_code,
    lpad(substring(dispatch_ward from '(\d{1,2})'), 2, '0') as dispatch_ward_code,
    {{ clean_text('intersection') }} as intersection,
    left(tfs_alarm_time, 19)::timestamp as alarmed_at,
    left(tfs_arrival_time, 19)::timestamp as arrived_at,
    left(tfs_clear_time, 19)::timestamp as cleared_at,
    persons_rescued::integer as persons_rescued,
    extract(
        epoch from left(tfs_arrival_time, 19)::timestamp - left(tfs_alarm_time, 19)::timestamp
    )::integer as response_seconds,
    _file_id,
    _row,
    _period,
    _night
from source
