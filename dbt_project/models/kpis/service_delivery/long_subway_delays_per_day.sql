-- Subway incidents that cost fifteen minutes or more, per day of the month, so that February compares with March.
with delays as (
    select * from {{ ref('int_ttc_delays_monthly') }}
)

select
    'SD-TTC-02' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(long_delays)::numeric as numerator,
    extract(day from month_start + interval '1 month' - interval '1 day')::numeric as denominator
from delays
where line_code <> 'OTHER' and {{ is_complete_month('month_start', 'newest_day') }}
group by month_start
