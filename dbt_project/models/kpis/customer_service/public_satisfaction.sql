-- Top-2-box of the question on overall satisfaction (Q1) in surveys of the public whose sample was drawn. Quarters with
-- fewer than 30 valid answers are not shown; answers over an open link are no sample.
with results as (
    select
        *,
        date_trunc('quarter', field_to)::date as quarter_start
    from {{ ref('int_survey_results') }}
    where
        question_id = 'Q1'
        and audience = 'Public'
        and not is_open_link
)

select
    'CS-SUR-01' as kpi_id,
    quarter_start as period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(top_two_weight) as numerator,
    sum(weight_sum) as denominator
from results
group by quarter_start
having sum(valid_answers) >= 30
