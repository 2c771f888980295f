-- Of the people who used an overnight service in the past three months, the share who moved to permanent housing in the
-- month. Population groups overlap, so the row of all people is read and no group added.
with flow as (
    select * from {{ ref('stg_shelter__system_flow') }}
    where population_group ilike 'all population%'
)

select
    'QL-SHL-01' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    moved_to_housing::numeric as numerator,
    actively_homeless::numeric as denominator
from flow
where moved_to_housing is not null and actively_homeless > 0
