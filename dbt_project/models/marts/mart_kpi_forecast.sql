-- The next four periods of KPIs whose forecast did better on their own past than the same season a year before. A
-- forecast that no longer continues the present figures is left out.
with steps as (
    select * from {{ source('forecast', 'step') }}
),

series as (
    select * from {{ source('forecast', 'series') }}
    where is_shown
),

latest as (
    select
        kpi_id,
        kpi_version,
        geography_type,
        geography_code,
        period_grain,
        max(period_start) as last_period
    from {{ ref('kpi_current') }}
    where value is not null
    group by kpi_id, kpi_version, geography_type, geography_code, period_grain
)

select
    steps.kpi_id,
    steps.kpi_version,
    steps.geography_type,
    steps.geography_code,
    steps.period_grain,
    steps.period_start,
    steps.value::numeric as value,
    steps.low::numeric as low,
    steps.high::numeric as high,
    steps.confidence::numeric as confidence,
    series.last_period,
    series.method,
    series.mean_error::numeric as mean_error,
    series.naive_error::numeric as naive_error
from steps
inner join series
    on
        {{ same_series('steps', 'series', version=true) }}
inner join latest
    on
        {{ same_series('series', 'latest', version=true) }}
        and series.last_period = latest.last_period
