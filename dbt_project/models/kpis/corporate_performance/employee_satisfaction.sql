-- Top-2-box of the question on overall satisfaction (Q1) in surveys of employees whose sample was drawn. Years with fewer
-- than 30 valid answers are not shown.
with results as (
    select
        *,
        date_trunc('year', field_to)::date as period_start
    from {{ ref('int_survey_results') }}
    where
        question_id = 'Q1'
        and audience = 'Employee'
        and not is_open_link
)

select
    'CP-EMP-01' as kpi_id,
    period_start,
    'year' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(top_two_weight) as numerator,
    sum(weight_sum) as denominator
from results
group by period_start
having sum(valid_answers) >= 30
