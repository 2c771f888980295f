-- One row per length and first day.
select
    period_grain,
    period_start,
    period_end,
    calendar_year,
    calendar_quarter,
    calendar_month,
    fiscal_year,
    fiscal_quarter,
    fiscal_month,
    period_number,
    label_en,
    label_fr,
    previous_period_start,
    last_year_period_start,
    business_days
from {{ ref('mart_period') }}
