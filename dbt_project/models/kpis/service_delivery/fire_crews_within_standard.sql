-- Share of the emergency fire calls whose first crew arrived within 6 minutes and 24 seconds (384 seconds) of the alarm.
-- Calls without a time of arrival, such as those called off on the way, are not in it.
with calls as (
    select
        date_trunc('year', alarmed_at)::date as period_start,
        max(alarmed_at) over ()::date as newest_day,
        {{ ward_of_period('ward_code', "date_trunc('year', alarmed_at)", 'year') }},
        initial_call_type,
        response_seconds
    from {{ ref('stg_fire__emergency_incidents') }}
)

select
    'SD-FIR-01' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    count(*) filter (where response_seconds <= 384)::numeric as numerator,
    count(*)::numeric as denominator
from calls
where
    initial_call_type = 'Emergency Fire'
    and response_seconds >= 0
    and {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code', model='ward_model') }}
