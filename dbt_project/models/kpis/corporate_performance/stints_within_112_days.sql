-- Share of innovation stints ended in a year that took no longer than sixteen weeks, those that failed included.
with stints as (
    select * from {{ ref('int_stint_outcomes') }}
    where ended_on is not null
)

select
    'CP-INN-01' as kpi_id,
    date_trunc('year', ended_on)::date as period_start,
    'year' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where is_within_112_days)::numeric as numerator,
    count(*)::numeric as denominator
from stints
group by 2
