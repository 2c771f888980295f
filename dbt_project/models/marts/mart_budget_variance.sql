-- The money of the units' monthly returns, and how far it is off the plan for the month and since the year began.
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
    actual_to_date - budget_to_date as variance_to_date,
    {{ ratio('actual_to_date - budget_to_date', 'budget_to_date') }} as variance_to_date_share
from {{ ref('mart_unit_resource') }}
