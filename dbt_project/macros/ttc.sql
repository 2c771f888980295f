{# Delay records of the TTC, which differ in the names of their columns and in little else. `worded` files name the incident
   in words as well as by a code. On the surface 'E/B', 'eb' and 'E' are east, 'B', 'BW' and 'B/W' both ways, 600 RAD stands
   for route 600, 999 for none. The `subway` has lines for routes and no words for incidents. Equal records of one file stay
   and are flagged: none carries a number that tells them apart. #}
{% macro ttc_delays(dataset, line, place, bound, worded=false, subway=false) -%}
    with source as (
        select * from {{ source('raw', dataset) }}
    ),

    cleaned as (
        select
            left(date, 10)::date as delay_date,
            case when time ~ '^([01]?\d|2[0-3]):[0-5]\d' then time::time end as delay_time,
            initcap(btrim(day)) as day_name,
            upper({{ clean_text(place) }}) as station,
            {% if not subway -%}
            {{ clean_text('incident') if worded else 'null::text' }} as incident,
            {% endif -%}
            {% set code = 'upper(' ~ clean_text('code') ~ ')' -%}
            {{ code if subway else "nullif(" ~ code ~ ", 'NONE')" }} as code,
            min_delay::integer as min_delay,
            min_gap::integer as min_gap,
            upper(btrim({{ bound }})) as bound_as_found,
            {{ clean_text(line) if subway else "nullif(" ~ clean_text(line) ~ ", 'None')" }} as line_as_found,
            {% if subway -%}
            regexp_replace(upper(coalesce({{ line }}, '')), '[^A-Z0-9]+', '/', 'g') as line_key,
            {% endif -%}
            nullif(btrim(vehicle), '0') as vehicle,
            row_number() over (
                partition by
                    _period, _file_id, date, time, day, {{ line }}, {{ place }}, {{ 'incident, ' if worded }}code,
                    min_delay, min_gap, {{ bound }}, vehicle
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
        {% if not subway -%}
        incident,
        {% endif -%}
        code,
        min_delay,
        min_gap,
        coalesce(min_delay >= 999, false) as is_sentinel,
        {% if subway -%}
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
        {% else -%}
        case
            when bound_as_found ~ '^[NSEW](/?B)?$' then left(bound_as_found, 1)
            when bound_as_found ~ '^B(/?W)?$' then 'B'
        end as bound,
        line_as_found,
        nullif(substring(line_as_found from '^(\d{1,3})(?!\d)')::integer, 999) as route_number,
        {% endif -%}
        vehicle,
        repeat_number,
        repeat_number > 1 as is_repeat,
        _file_id,
        _row,
        _sheet,
        _period,
        _night
    from cleaned
{%- endmacro %}

{# The model that keeps the delays of a surface mode by day; what it keeps and forgets is said in periods.sql. #}
{% macro surface_delays_daily(dataset, staging) -%}
with standing as (
    {{ standing_periods(dataset) | indent(4) }}
),

delays as (
    select
        *,
        not is_repeat and not is_sentinel as is_counted
    from {{ staging }}
    where {{ new_periods(dataset) }}
),

counted as (
    select
        delay_date,
        month_start,
        count(*) filter (where is_counted and min_delay > 0) as delayed_incidents,
        count(*) filter (where is_counted and min_delay >= 30) as half_hour_delays,
        coalesce(sum(min_delay) filter (where is_counted), 0) as delay_minutes,
        _period
    from delays
    group by delay_date, month_start, _period
)

select
    counted.*,
    coalesce(standing.batch_id, 0) as batch_id
from counted
left join standing on counted._period = standing.period
{%- endmacro %}
