-- Dollars spent on engagement activities for each person who took part, over the activities that state both.
-- Fewer than 11 participants are not shown: the figure tells their number.
with activities as (
    {{ register_events(ref('int_engagement_activities_history'), 'held_on') }}
)

select
    'CS-ENG-03' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(cost) as numerator,
    sum(participants)::numeric as denominator
from activities
where
    stated_status in ('held', 'reported_back')
    and cost is not null
    and participants is not null
group by period_start
having sum(participants) >= 11
