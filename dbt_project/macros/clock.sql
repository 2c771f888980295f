{# Time of day from text such as '9:30 AM', '09:37AM' or '2022-11-23 14:05 PM' (the 24-hour clock wins); null without one. #}
{% macro clock_time(expression) -%}
    {%- set hour = "substring(" ~ expression ~ " from '(\\d{1,2}):\\d{2}')::integer" -%}
    case
        when {{ expression }} ~ '(^|[^\d:])([01]?\d|2[0-3]):[0-5]\d'
            then make_time(
                case
                    when {{ expression }} ~* 'p\.?m\.?\s*$' and {{ hour }} < 12 then {{ hour }} + 12
                    when {{ expression }} ~* 'a\.?m\.?\s*$' and {{ hour }} = 12 then 0
                    else {{ hour }}
                end,
                substring({{ expression }} from '\d{1,2}:(\d{2})')::integer,
                0
            )
    end
{%- endmacro %}

{# Date in Toronto from milliseconds since 1970 or from ISO text; the far end of time (3000) stands for none and is null. #}
{% macro epoch_or_date(expression) -%}
    case
        when {{ expression }} ~ '^3\d{13}(\.0)?$' or {{ expression }} ~ '^[3-9]\d{3}-' then null::date
        when {{ expression }} ~ '^-?\d+(\.0)?$'
            then (to_timestamp({{ expression }}::numeric / 1000) at time zone 'America/Toronto')::date
        when {{ expression }} ~ '^\d{4}-\d{2}-\d{2}' then left({{ expression }}, 10)::date
    end
{%- endmacro %}
