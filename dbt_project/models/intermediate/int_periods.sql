with calendar as (
    select * from {{ ref('int_calendar') }}
),

graded as (
    select
        'month' as period_grain,
        month_start as period_start,
        fiscal_year as period_year,
        fiscal_period as period_number,
        calendar_date,
        is_business_day
    from calendar
    union all
    select
        'quarter' as period_grain,
        quarter_start as period_start,
        fiscal_year as period_year,
        fiscal_quarter as period_number,
        calendar_date,
        is_business_day
    from calendar
    union all
    select
        'season' as period_grain,
        season_start as period_start,
        season_year as period_year,
        array_position(array['winter', 'spring', 'summer', 'fall'], season) as period_number,
        calendar_date,
        is_business_day
    from calendar
    union all
    select
        'year' as period_grain,
        make_date(fiscal_year, 1, 1) as period_start,
        fiscal_year as period_year,
        1 as period_number,
        calendar_date,
        is_business_day
    from calendar
),

periods as (
    select
        period_grain,
        period_start,
        period_year,
        period_number,
        count(*) filter (where is_business_day)::integer as business_days,
        case period_grain
            when 'month' then interval '1 month'
            when 'year' then interval '1 year'
            else interval '3 months'
        end as length
    from graded
    group by period_grain, period_start, period_year, period_number
)

select
    period_grain,
    period_start,
    (period_start + length - interval '1 day')::date as period_end,
    period_year,
    period_number,
    case period_grain
        when 'month' then to_char(period_start, 'Mon YYYY')
        when 'quarter' then 'Q' || period_number || ' ' || period_year
        when 'season' then (array['Winter', 'Spring', 'Summer', 'Fall'])[period_number] || ' ' || period_year
        else period_year::text
    end as period_label,
    (period_start - length)::date as previous_period_start,
    (period_start - interval '1 year')::date as last_year_period_start,
    business_days
from periods
-- the first winter lacks its December and the last one its January
where period_grain <> 'season' or period_start between '2000-03-01' and '2035-09-01'
