{# A date from text as the City's systems write it: 2024-01-31 or 2024/1/31 (a time may follow), 01-31-2024 or 1/31/2024,
   Jan 31, 2024, and 31-Jan-2024, 31-Jan-24 or 31JAN24. Null for anything else. For columns whose files disagree. Days are
   added to the first of the month, so that a day which the calendar lacks cannot break the view. #}
{% macro any_date(expression) -%}
    {%- set value = "btrim(" ~ expression ~ ")" -%}
    {%- set day = "(?:0?[1-9]|[12]\\d|3[01])" -%}
    {%- set month = "(?:0?[1-9]|1[0-2])" -%}
    {%- set names = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)" -%}
    case
        when {{ value }} ~ '^[12]\d{3}[-/]{{ month }}[-/]{{ day }}(?:\D|$)'
            then make_date(left({{ value }}, 4)::integer, split_part(translate({{ value }}, '/', '-'), '-', 2)::integer, 1)
                + substring({{ value }} from '^\d{4}[-/]\d+[-/](\d+)')::integer - 1
        when {{ value }} ~ '^{{ month }}[-/]{{ day }}[-/][12]\d{3}(?:\D|$)'
            then make_date(
                substring({{ value }} from '^\d+[-/]\d+[-/](\d{4})')::integer, substring({{ value }} from '^\d+')::integer, 1
            ) + split_part(translate({{ value }}, '/', '-'), '-', 2)::integer - 1
        when {{ value }} ~* '^{{ names }}[a-z]*\.? {{ day }},? [12]\d{3}(?:\D|$)'
            then make_date(
                substring({{ value }} from '^\D+\d+,? (\d{4})')::integer, {{ month_number(value) }}, 1
            ) + substring({{ value }} from '^\D+(\d+)')::integer - 1
        when {{ value }} ~* '^{{ day }}[- ]?{{ names }}[a-z]*[- ]?(?:[12]\d{3}|\d{2})(?:\D|$)'
            then make_date(
                right('20' || substring({{ value }} from '^\d+[- ]?[A-Za-z]+[- ]?(\d+)'), 4)::integer,
                {{ month_number("substring(" ~ value ~ " from '^\\d+[- ]?([A-Za-z]+)')") }},
                1
            ) + substring({{ value }} from '^\d+')::integer - 1
    end
{%- endmacro %}

{# 1 to 12 from an English month name or its first three letters; null for anything else. #}
{% macro month_number(expression) -%}
    array_position(
        array['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
        lower(left(btrim({{ expression }}), 3))
    )
{%- endmacro %}

{# First day of a quarter from 'Q1 2024', '2024-Q1' and the like; null for anything else. #}
{% macro quarter_start(expression) -%}
    make_date(
        substring({{ expression }} from '((?:19|20)\d{2})')::integer,
        substring(upper({{ expression }}) from 'Q\s*([1-4])')::integer * 3 - 2,
        1
    )
{%- endmacro %}

{# Date and time from ISO text, without fractions and zone; null where the text is anything else. #}
{% macro iso_timestamp(expression) -%}
    case
        when {{ expression }} ~ '^[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]([01]\d|2[0-3]):[0-5]\d'
            then left({{ expression }}, 19)::timestamp
    end
{%- endmacro %}

{# Whether a flag that files write as Yes, Y, True or 1 is set; a blank means no. #}
{% macro is_yes(expression) -%}
    coalesce(lower(btrim({{ expression }})) in ('yes', 'y', 'true', 't', '1'), false)
{%- endmacro %}
