-- Share of the subway delays whose cause is a train or the plant: what maintenance can prevent.
with delays as (
    select * from {{ ref('int_ttc_delays_monthly') }}
)

select
    'SD-TTC-06' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(equipment_delays)::numeric as numerator,
    sum(delayed_incidents)::numeric as denominator
from delays
where line_code <> 'OTHER' and {{ is_complete_month('month_start', 'newest_day') }}
group by month_start
having sum(delayed_incidents) > 0
