-- Concerns due in the quarter that were answered in time. Quarters before the first hand-in are left out.
with requests as (
    select
        *,
        date_trunc('quarter', due_on)::date as period_start,
        min(first_day) over () as first_of_all,
        max(last_day) over () as last_of_all
    from {{ ref('int_request_results') }}
    where status <> 'withdrawn'
)

select
    'CS-REQ-02' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where is_within_standard)::numeric as numerator,
    count(*)::numeric as denominator
from requests
where
    request_type = 'Concern'
    and period_start > first_of_all
    and {{ is_complete_period('quarter', 'period_start', 'last_of_all') }}
group by period_start
