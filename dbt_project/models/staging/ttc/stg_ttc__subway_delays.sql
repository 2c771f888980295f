-- A record carries no number, so two equal ones in one file may be one incident keyed twice or two at one time: they
-- stay and are flagged. Across files nothing repeats, because a later delivery of a month replaces the month.
with source as (
    select * from {{ source('raw', 'ttc_subway_delays') }}
),

cleaned as (
    select
        left(date, 10)::date as delay_date,
        case when time ~ '^([01]?\d|2[0-3]):[0-5]\d' then time::time end as delay_time,
        initcap(btrim(day)) as day_name,
        upper({{ clean_text('station') }}) as station,
        upper({{ clean_text('code') }}) as code,
        min_delay::integer as min_delay,
        min_gap::integer as min_gap,
        upper(btrim(bound)) as bound_as_found,
        {{ clean_text('line') }} as line_as_found,
        regexp_replace(upper(coalesce(line, '')), '[^A-Z0-9]+', '/', 'g') as line_key,
        nullif(btrim(vehicle), '0') as vehicle,
        row_number() over (
            partition by _file_id, date, time, day, station, code, min_delay, min_gap, bound, line, vehicle
            order by _row
        )::integer as repeat_number,
        _file_id,
        _row,
        _sheet,
        _period,
        _night
    from source
)

select
    delay_date,
    delay_time,
    delay_date + coalesce(delay_time, '00:00'::time) as occurred_at,
    date_trunc('month', delay_date)::date as month_start,
    day_name,
    station,
    code,
    min_delay,
    min_gap,
    coalesce(min_delay >= 999, false) as is_sentinel,
    case when bound_as_found in ('N', 'S', 'E', 'W') then bound_as_found end as bound,
    line_as_found,
    case
        when line_key ~ '^/?(YU|YUS|LINE/1)/?$' then 'YU'
        when line_key ~ '^/?(BD|LINE/2)/?$' then 'BD'
        when line_key ~ '^/?(SHP|SHEP|SHEPPARD|LINE/4)/?$' then 'SHP'
        when line_key ~ '^/?(SRT|RT|LINE/3)/?$' then 'SRT'
        when line_key ~ 'YUS?' and line_key ~ 'B/?D' then 'YU/BD'
        else 'OTHER'
    end as line_code,
    vehicle,
    repeat_number,
    repeat_number > 1 as is_repeat,
    _file_id,
    _row,
    _sheet,
    _period,
    _night
from cleaned
