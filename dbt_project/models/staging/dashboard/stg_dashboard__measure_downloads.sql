-- A download has a measure's name but no number, and its periods by name: 'Jan', 'Q1', 'Winter', or the year again.
with source as (
    {{ current_delivery('dashboard_measure_downloads', ['measure_name', 'year', 'period']) }}
),

named as (
    select
        {{ clean_text(decode_html('measure_name')) }} as measure_name,
        year::integer as period_year,
        {{ clean_text('period') }} as period_label,
        lower(left(btrim(period), 3)) as word,
        {{ to_money('value') }} as value,
        _file_id,
        _row,
        _night
    from source
),

numbered as (
    select
        named.*,
        case
            when period_label ~* '^q(uarter)? *[1-4]$' then 'q'
            when word in ('win', 'spr', 'sum', 'fal') then 's'
            when period_label = period_year::text or lower(period_label) = 'annual' then 'y'
            when word ~ '^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)$' then 'm'
        end as interval_type,
        coalesce(
            array_position(array['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'], word),
            array_position(array['win', 'spr', 'sum', 'fal'], word),
            substring(period_label from '(?i)^q\D*([1-4])$')::integer
        ) as period_number
    from named
)

select
    measure_name,
    {{ period_grain('interval_type') }} as period_grain,
    period_year,
    period_label,
    {{ period_start('interval_type', 'period_year', 'period_number') }} as period_start,
    value,
    _file_id,
    _row,
    _night
from numbered
