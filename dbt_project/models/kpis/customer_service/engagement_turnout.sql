-- Participants of the people whom an activity had reached. Fewer than 11 are not shown.
with activities as (
    {{ register_events(ref('int_engagement_activities_history'), 'held_on') }}
)

select
    'CS-ENG-02' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(participants)::numeric as numerator,
    sum(reach)::numeric as denominator
from activities
where
    stated_status in ('held', 'reported_back')
    and participants is not null
    and reach > 0
group by period_start
having sum(participants) >= 11
