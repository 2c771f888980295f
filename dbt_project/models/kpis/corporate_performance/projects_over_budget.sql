-- Share of the AI and data projects under way, or completed and still listed, that have spent more than their budget, as
-- of the last hand-ins of each quarter.
with projects as (
    {{ register_quarter_ends(ref('int_projects_history')) }}
)

select
    'CP-PRJ-02' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where spent > budget)::numeric as numerator,
    count(*)::numeric as denominator
from projects
where
    status in ('initiated', 'underway', 'on_hold', 'completed')
    and budget is not null
    and spent is not null
group by period_start
