-- As for buses: minutes lost by streetcar incidents that cost a minute or more.
with delays as (
    select
        month_start,
        min_delay,
        max(delay_date) over () as newest_day
    from {{ ref('stg_ttc__streetcar_delays') }}
    where not is_repeat and not is_sentinel
)

select
    'SD-TTC-04' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(min_delay)::numeric as numerator,
    count(*)::numeric as denominator
from delays
where min_delay > 0 and {{ is_complete_month('month_start', 'newest_day') }}
group by month_start
