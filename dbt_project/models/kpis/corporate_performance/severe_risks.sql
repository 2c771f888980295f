-- Share of the open risks whose score (likelihood times impact) makes them high or extreme, as of the last hand-ins of
-- each quarter.
with risks as (
    {{ register_quarter_ends(ref('int_risk_register_history')) }}
)

select
    'CP-RSK-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where {{ risk_level('likelihood * impact') }} in ('high', 'extreme'))::numeric as numerator,
    count(*)::numeric as denominator
from risks
where status <> 'closed'
group by period_start
