-- Minutes lost per subway incident that delayed a train. Records without a delay (three in five) say that something
-- happened, not that anybody waited, so they are not in the denominator.
with delays as (
    select * from {{ ref('int_ttc_delays_monthly') }}
)

select
    'SD-TTC-01' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(delay_minutes)::numeric as numerator,
    sum(delayed_incidents)::numeric as denominator
from delays
where line_code <> 'OTHER' and {{ is_complete_month('month_start', 'newest_day') }}
group by month_start
