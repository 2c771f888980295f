-- One row per unit and month, also per division and in all.
select
    division,
    unit,
    month_start,
    fiscal_year,
    fiscal_month,
    budget,
    actual,
    variance,
    variance_share,
    budget_to_date,
    actual_to_date,
    variance_to_date,
    variance_to_date_share
from {{ ref('mart_budget_variance') }}
