-- Revenue by boardings, all modes together. A month is handed over whole.
with ridership as (
    select * from {{ ref('stg_ttc__ridership_extract') }}
)

select
    'SD-TTC-07' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(revenue) as numerator,
    sum(boardings)::numeric as denominator
from ridership
where revenue is not null and boardings is not null
group by month_start
