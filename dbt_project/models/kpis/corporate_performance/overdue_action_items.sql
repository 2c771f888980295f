-- Share of the open action items that are past their due date, on the last day of each quarter that a hand-in reflects.
with items as (
    select
        *,
        date_trunc('quarter', day)::date as quarter_start,
        max(day) over (partition by date_trunc('quarter', day)) as last_day
    from {{ ref('int_action_item_states') }}
    where is_open
)

select
    'CP-ACT-01' as kpi_id,
    quarter_start as period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where is_overdue)::numeric as numerator,
    count(*)::numeric as denominator
from items
where day = last_day
group by quarter_start
