-- Requests to the API of the open data portal on a day of the month. Days without a record are no days without requests,
-- so the month is divided by the days that are recorded.
with usage as (
    select
        usage_date,
        date_trunc('month', usage_date)::date as period_start,
        requests,
        max(usage_date) over () as newest_day
    from {{ ref('stg_open_data__api_usage') }}
    where not is_repeat
)

select
    'CS-ODP-01' as kpi_id,
    period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(requests)::numeric as numerator,
    count(distinct usage_date)::numeric as denominator
from usage
where {{ is_complete_month('period_start', 'newest_day') }}
group by period_start
