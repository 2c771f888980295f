-- Share of the open recommendations that are past the due date in force, a revised one included, at the end of each
-- quarter.
with recommendations as (
    select * from {{ ref('int_recommendation_quarters') }}
    where is_open
)

select
    'CP-AUD-02' as kpi_id,
    quarter_start as period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where days_past_due > 0)::numeric as numerator,
    count(*)::numeric as denominator
from recommendations
group by quarter_start
