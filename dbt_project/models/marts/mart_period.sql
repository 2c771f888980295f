-- The calendar's periods, and any before or after it that a KPI has. A winter lies in two fiscal years and has none.
with used as (
    select distinct
        period_grain,
        period_start
    from {{ ref('mart_kpi_value') }}
),

named as (
    select
        coalesce(calendar.period_grain, used.period_grain) as period_grain,
        coalesce(calendar.period_start, used.period_start) as period_start,
        calendar.business_days
    from {{ ref('int_periods') }} as calendar
    full join used
        on
            calendar.period_grain = used.period_grain
            and calendar.period_start = used.period_start
),

dated as (
    select
        *,
        {{ period_year('period_grain', 'period_start') }} as calendar_year,
        extract(quarter from period_start)::integer as quarter,
        extract(month from period_start)::integer as month,
        -- shifted by a month, a season is a quarter
        extract(quarter from period_start + interval '1 month')::integer as season,
        case period_grain
            when 'month' then interval '1 month'
            when 'year' then interval '1 year'
            else interval '3 months'
        end as length
    from named
)

select
    period_grain,
    period_start,
    (period_start + length - interval '1 day')::date as period_end,
    calendar_year,
    case when period_grain in ('month', 'quarter') then quarter end as calendar_quarter,
    case when period_grain = 'month' then month end as calendar_month,
    case when period_grain <> 'season' then calendar_year end as fiscal_year,
    case when period_grain in ('month', 'quarter') then quarter end as fiscal_quarter,
    case when period_grain = 'month' then month end as fiscal_month,
    case period_grain
        when 'month' then month
        when 'quarter' then quarter
        when 'season' then season
        else 1
    end as period_number,
    case period_grain
        when 'month' then to_char(period_start, 'Mon ')
        when 'quarter' then 'Q' || quarter || ' '
        when 'season' then (array['Winter ', 'Spring ', 'Summer ', 'Fall '])[season]
        else ''
    end || calendar_year as label_en,
    case period_grain
        when 'month'
            then (
                array[
                    'janv. ', 'févr. ', 'mars ', 'avr. ', 'mai ', 'juin ',
                    'juill. ', 'août ', 'sept. ', 'oct. ', 'nov. ', 'déc. '
                ]
            )[month]
        when 'quarter' then 'T' || quarter || ' '
        when 'season' then (array['Hiver ', 'Printemps ', 'Été ', 'Automne '])[season]
        else ''
    end || calendar_year as label_fr,
    (period_start - length)::date as previous_period_start,
    (period_start - interval '1 year')::date as last_year_period_start,
    business_days
from dated
