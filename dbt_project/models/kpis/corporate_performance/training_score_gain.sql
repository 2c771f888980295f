-- Points that people gained between the tests before and after a course, each run by the people tested in both. Quarters
-- with fewer than 30 of them are not shown.
with runs as (
    {{ register_events(ref('int_training_history'), 'held_on') }}
)

select
    'CP-TRN-03' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum((post_score - pre_score) * scored) as numerator,
    sum(scored)::numeric as denominator
from runs
where pre_score is not null and post_score is not null
group by period_start
having sum(scored) >= 30
