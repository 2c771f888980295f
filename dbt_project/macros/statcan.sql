{# First day of the month that a table's REF_DATE speaks of: '2026-10', '2026-10-01', or '2026' in tables whose year
   stands for one day of it (population: 1 July). Null for anything else, such as a fiscal year. #}
{% macro statcan_month(expression, month_of_year=1) -%}
    case
        when {{ expression }} ~ '^\d{4}-\d{2}' then (left({{ expression }}, 7) || '-01')::date
        when {{ expression }} ~ '^\d{4}$' then make_date({{ expression }}::integer, {{ month_of_year }}, 1)
    end
{%- endmacro %}

{# What every whole table of Statistics Canada carries behind its dimensions. The scalar's code is its power of ten;
   marks: the symbol legend in each table's metadata. #}
{% macro statcan_value() -%}
    {{ clean_text('uom') }} as unit,
    ltrim(vector, 'v') as vector_id,
    coordinate,
    value::numeric as published_value,
    value::numeric * ('1e' || coalesce(scalar_id, '0'))::numeric as value,
    {{ clean_text('scalar_factor') }} as scalar_factor,
    decimals::integer as decimals,
    status,
    case status
        when '..' then 'not available' when '...' then 'not applicable' when '0s' then 'rounded to zero'
        when '<LOD' then 'below detection' when 'x' then 'suppressed' when 'A' then 'excellent'
        when 'B' then 'very good' when 'C' then 'good' when 'D' then 'acceptable' when 'E' then 'use with caution'
        when 'F' then 'too unreliable' when 'p' then 'preliminary' when 'r' then 'revised' when 't' then 'terminated'
        else status
    end as quality,
    symbol,
    coalesce(symbol = 'p', false) as is_preliminary,
    coalesce(symbol = 'r', false) as is_revised,
    coalesce(terminated = 't', false) as is_terminated,
    _file_id,
    _row,
    _night
{%- endmacro %}

{# Statistics Canada's own sign for what its data service tells by a code; '..' also where a figure is missing and no code
   says why, so that a null is never silent. #}
{% macro statcan_mark(quality, value) -%}
    case {{ quality }}
        when 'not available' then '..' when 'not applicable' then '...' when 'rounded to zero' then '0s'
        when 'below detection' then '<LOD'
        else coalesce({{ quality }}, case when {{ value }} is null then '..' end)
    end
{%- endmacro %}
