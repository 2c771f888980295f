-- Requests whose answer was due in the quarter and came in time. Quarters before the first hand-in are left out.
with requests as (
    select
        *,
        date_trunc('quarter', due_on)::date as quarter_start,
        min(first_day) over () as first_of_all,
        max(last_day) over () as last_of_all
    from {{ ref('int_request_results') }}
    where status <> 'withdrawn'
)

select
    'CP-REQ-01' as kpi_id,
    quarter_start as period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where is_within_standard)::numeric as numerator,
    count(*)::numeric as denominator
from requests
where
    quarter_start > first_of_all
    and (quarter_start + interval '3 months')::date - 1 <= last_of_all
group by quarter_start
