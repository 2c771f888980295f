-- Median days from an application to the Committee of Adjustment until its hearing, by the quarter of the hearing. The
-- file holds closed applications, so a quarter goes on filling for a while; medians of wards do not add up to the city's.
with applications as (
    select
        date_trunc('quarter', heard_on)::date as period_start,
        min(closed_on) over () as first_day,
        max(closed_on) over () as newest_day,
        ward_code,
        heard_on - received_on as days
    from {{ ref('stg_city_planning__committee_of_adjustment') }}
    where not is_repeat and received_on <= heard_on
)

select
    'SD-PLN-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    {{ areas('ward', 'ward_code') }},
    (percentile_cont(0.5) within group (order by days))::numeric as numerator,
    null::numeric as denominator
from applications
where
    period_start >= date_trunc('quarter', first_day)
    and {{ is_complete_period('quarter', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code') }}
