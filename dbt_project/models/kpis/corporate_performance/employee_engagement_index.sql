-- Mean of the top-2-boxes of all questions put to employees but the one on overall satisfaction (Q1), each question
-- counting the same. A question that fewer than 30 answered in a year does not count.
with results as (
    select
        *,
        date_trunc('year', field_to)::date as period_start
    from {{ ref('int_survey_results') }}
    where
        question_id <> 'Q1'
        and audience = 'Employee'
        and not is_open_link
),

questions as (
    select
        period_start,
        question_id,
        {{ ratio('sum(top_two_weight)', 'sum(weight_sum)') }} as top_two_share
    from results
    group by period_start, question_id
    having sum(valid_answers) >= 30
)

select
    'CP-EMP-02' as kpi_id,
    period_start,
    'year' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(top_two_share) as numerator,
    count(*)::numeric as denominator
from questions
where top_two_share is not null
group by period_start
