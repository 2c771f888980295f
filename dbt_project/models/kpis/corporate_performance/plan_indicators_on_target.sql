-- Share of the success indicators of work plans that have reached their target, of those with a figure, as of the last
-- hand-ins of each quarter.
with indicators as (
    {{ register_quarter_ends(ref('int_plan_indicators_history')) }}
)

select
    'CP-PLN-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where case direction when 'Lower' then actual <= target else actual >= target end)::numeric
        as numerator,
    count(*)::numeric as denominator
from indicators
where
    direction in ('Higher', 'Lower')
    and target is not null
    and actual is not null
group by period_start
