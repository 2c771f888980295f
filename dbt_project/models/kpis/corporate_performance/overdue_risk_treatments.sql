-- Share of the open risks whose treatment is past its due date, as of the last hand-ins of each quarter. A risk that is
-- accepted has no treatment to finish.
with risks as (
    {{ register_quarter_ends(ref('int_risk_register_history')) }}
)

select
    'CP-RSK-02' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where treatment_due < day)::numeric as numerator,
    count(*)::numeric as denominator
from risks
where
    status <> 'closed'
    and treatment <> 'Accept'
    and treatment_due is not null
group by period_start
