-- Mean satisfaction of participants, each activity by its number of answers. Means over fewer than 30 answers are not
-- shown.
with activities as (
    {{ register_events(ref('int_engagement_activities_history'), 'held_on') }}
)

select
    'CS-ENG-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(satisfaction * satisfaction_answers) as numerator,
    sum(satisfaction_answers)::numeric as denominator
from activities
where
    stated_status in ('held', 'reported_back')
    and satisfaction is not null
group by period_start
having sum(satisfaction_answers) >= 30
