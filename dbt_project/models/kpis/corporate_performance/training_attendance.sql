-- People who came to a course at least once, of those invited. Fewer than 11 are not shown.
with runs as (
    {{ register_events(ref('int_training_history'), 'held_on') }}
)

select
    'CP-TRN-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(attended)::numeric as numerator,
    sum(invited)::numeric as denominator
from runs
group by period_start
having sum(attended) >= 11
