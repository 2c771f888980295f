-- Share of the ten-year capital plan that goes to the state of good repair, by ward and for the city; the city counts
-- what is planned for all wards together too.
with plan as (
    select
        make_date(plan_year, 1, 1) as period_start,
        ward_code,
        category,
        amount
    from {{ ref('stg_finance__capital_plan_by_ward') }}
)

select
    'NB-CAP-01' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code') }},
    coalesce(sum(amount) filter (where category ilike 'state of good repair%'), 0) as numerator,
    sum(amount) as denominator
from plan
group by grouping sets ((period_start, ward_code), (period_start))
having (grouping(ward_code) = 1 or ward_code is not null) and sum(amount) > 0
