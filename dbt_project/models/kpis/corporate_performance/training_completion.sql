-- People who finished a course, of those who came to it. Fewer than 11 are not shown.
with runs as (
    {{ register_events(ref('int_training_history'), 'held_on') }}
)

select
    'CP-TRN-02' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(completed)::numeric as numerator,
    sum(attended)::numeric as denominator
from runs
group by period_start
having least(sum(attended), sum(completed)) >= 11
