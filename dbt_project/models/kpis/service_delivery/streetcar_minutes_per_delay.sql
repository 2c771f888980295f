-- As for buses: minutes lost by streetcar incidents that cost a minute or more.
with days as (
    select
        *,
        max(delay_date) over () as newest_day
    from {{ ref('int_ttc_streetcar_delays_daily') }}
)

select
    'SD-TTC-04' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(delay_minutes)::numeric as numerator,
    sum(delayed_incidents)::numeric as denominator
from days
where {{ is_complete_month('month_start', 'newest_day') }}
group by month_start
having sum(delayed_incidents) > 0
