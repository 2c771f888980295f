-- Share of what divisions put out that anybody may read. Quarters of which the register knows fewer than ten items
-- are not shown.
with items as (
    {{ register_events(ref('int_communications_history'), 'published_on') }}
)

select
    'CP-COM-02' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where is_open)::numeric as numerator,
    count(*)::numeric as denominator
from items
where is_open is not null
group by period_start
having count(*) >= 10
