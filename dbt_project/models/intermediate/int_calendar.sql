with days as (
    select
        fiscal_periods.fiscal_year,
        fiscal_periods.fiscal_period,
        fiscal_periods.fiscal_quarter,
        fiscal_periods.period_start as month_start,
        day.moment::date as calendar_date
    from {{ ref('fiscal_periods') }} as fiscal_periods
    cross join lateral generate_series(
        fiscal_periods.period_start::timestamp, fiscal_periods.period_end::timestamp, interval '1 day'
    ) as day (moment)
),

holidays as (
    select
        holiday_date,
        string_agg(holiday_name, ', ' order by holiday_name) as holiday_name
    from {{ ref('ontario_holidays') }}
    group by holiday_date
)

select
    days.calendar_date,
    days.fiscal_year,
    days.fiscal_period,
    days.fiscal_quarter,
    days.month_start,
    date_trunc('quarter', days.calendar_date)::date as quarter_start,
    -- shifted by a month, a season is a quarter
    (date_trunc('quarter', days.calendar_date + interval '1 month') - interval '1 month')::date as season_start,
    extract(year from days.calendar_date + interval '1 month')::integer as season_year,
    (array['winter', 'spring', 'summer', 'fall'])[
        extract(quarter from days.calendar_date + interval '1 month')::integer
    ] as season,
    extract(isoyear from days.calendar_date)::integer as iso_year,
    extract(week from days.calendar_date)::integer as iso_week,
    extract(isodow from days.calendar_date)::integer as iso_weekday,
    holidays.holiday_name,
    extract(isodow from days.calendar_date) < 6 and holidays.holiday_date is null as is_business_day
from days
left join holidays
    on days.calendar_date = holidays.holiday_date
