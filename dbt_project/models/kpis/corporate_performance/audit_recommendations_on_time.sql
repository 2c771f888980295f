-- Share of the audit and compliance recommendations which first fell due in a quarter that were implemented by that day.
-- A quarter counts when all of it is reflected by a division's last hand-in.
with recommendations as (
    select
        *,
        max(as_of) over (partition by division) as reported_to
    from {{ ref('int_audit_recommendations_history') }}
    where is_latest
)

select
    'CP-AUD-01' as kpi_id,
    date_trunc('quarter', due_date)::date as period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where implemented_on <= due_date)::numeric as numerator,
    count(*)::numeric as denominator
from recommendations
where
    (date_trunc('quarter', due_date) + interval '3 months')::date <= reported_to + 1
    and (status not in ('no_longer_relevant', 'removed') or implemented_on is not null)
group by 2
