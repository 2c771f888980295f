-- The latest period that has a figure, per KPI and place, in every kind of comparison that applies. The headline is the
-- year to date where the KPI is a flow, else the same period last year.
with comparisons as (
    select * from {{ ref('kpi_period_comparison') }}
),

latest as (
    select
        kpi_id,
        geography_type,
        geography_code,
        max(period_start) as period_start
    from {{ ref('kpi_current') }}
    where value is not null
    group by kpi_id, geography_type, geography_code
)

select
    comparisons.*,
    comparisons.comparison = case
        when bool_or(comparisons.comparison = 'ytd') over same_place then 'ytd'
        else 'year'
    end as is_headline
from comparisons
inner join latest
    on
        comparisons.kpi_id = latest.kpi_id
        and comparisons.geography_type = latest.geography_type
        and comparisons.geography_code = latest.geography_code
        and comparisons.period_start = latest.period_start
window same_place as (partition by comparisons.kpi_id, comparisons.geography_type, comparisons.geography_code)
