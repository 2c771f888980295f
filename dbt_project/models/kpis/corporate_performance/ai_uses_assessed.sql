-- Share of the AI pilots and uses with personal information whose privacy assessment is complete, on the last day of
-- each quarter that a hand-in reflects.
with states as (
    {{ register_states(ref('int_ai_use_cases_history')) }}
),

uses as (
    select
        *,
        date_trunc('quarter', day)::date as quarter_start,
        max(day) over (partition by date_trunc('quarter', day)) as last_day
    from states
    where status in ('pilot', 'in_use') and personal_information
)

select
    'CP-AIU-01' as kpi_id,
    quarter_start as period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where privacy_assessment = 'Completed')::numeric as numerator,
    count(*)::numeric as denominator
from uses
where day = last_day
group by quarter_start
