-- Mean of the scores that users gave to solutions, each by its number of answers; months with fewer than 30 are not shown.
with months as (
    select
        *,
        max(as_of) over () as newest_day
    from {{ ref('int_adoption_history') }}
    where is_latest
)

select
    'CS-ADO-02' as kpi_id,
    date_trunc('month', month)::date as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(feedback_score * feedback_answers) as numerator,
    sum(feedback_answers)::numeric as denominator
from months
where
    feedback_score is not null
    and {{ is_complete_month("date_trunc('month', month)", 'newest_day') }}
group by 2
having sum(feedback_answers) >= 30
