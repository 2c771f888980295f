-- Mean days from a request to its answer, by the quarter of the answer. Quarters before the first hand-in are left out:
-- it no longer lists what was answered long ago.
with requests as (
    select
        *,
        date_trunc('quarter', answered_on)::date as period_start,
        min(first_day) over () as first_of_all,
        max(last_day) over () as last_of_all
    from {{ ref('int_request_results') }}
    where status <> 'withdrawn'
)

select
    'CS-REQ-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(response_days)::numeric as numerator,
    count(*)::numeric as denominator
from requests
where
    period_start > first_of_all
    and {{ is_complete_period('quarter', 'period_start', 'last_of_all') }}
group by period_start
