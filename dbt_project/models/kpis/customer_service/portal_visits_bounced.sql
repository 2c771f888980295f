-- Visits to pages of the open data portal that went no further, each page by its visits.
with visits as (
    select * from {{ ref('stg_open_data__page_visits') }}
)

select
    'CS-ODP-02' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(bounce_rate * sessions) as numerator,
    sum(sessions)::numeric as denominator
from visits
where bounce_rate is not null
group by month_start
having sum(sessions) > 0
