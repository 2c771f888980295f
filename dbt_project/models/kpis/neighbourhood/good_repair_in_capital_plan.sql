-- Share of the ten-year capital plan that goes to the state of good repair, by ward and for the city; the city counts
-- what is planned for all wards together too. A plan is adopted at the beginning of its year, with the wards of that day.
with plan as (
    select
        make_date(plan_year, 1, 1) as period_start,
        {{ ward_of_period('ward_code', 'make_date(plan_year, 1, 1)', 'month') }},
        category,
        amount
    from {{ ref('stg_finance__capital_plan_by_ward') }}
),

planned as (
    select
        'NB-CAP-01' as kpi_id,
        period_start,
        'year' as period_grain,
        {{ areas('ward', 'ward_code', model='ward_model') }},
        coalesce(sum(amount) filter (where category ilike 'state of good repair%'), 0) as numerator,
        sum(amount) as denominator
    from plan
    {{ areas_and_city('ward_code', model='ward_model') }}
)

select *
from planned
where denominator > 0
