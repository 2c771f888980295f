-- Members present of those who were due, over the sessions of council and its committees in a quarter. Whoever came to any
-- part of a session was present.
with sessions as (
    select
        *,
        date_trunc('quarter', session_date)::date as period_start,
        max(session_date) over () as newest_day
    from {{ ref('stg_clerk__attendance') }}
    where not is_repeat and is_present is not null
)

select
    'CP-CLK-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where is_present)::numeric as numerator,
    count(*)::numeric as denominator
from sessions
where {{ is_complete_period('quarter', 'period_start', 'newest_day') }}
group by period_start
