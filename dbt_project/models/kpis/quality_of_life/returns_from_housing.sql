-- People who came back to an overnight service from permanent housing, per 100 people who moved to housing in the same
-- month. Population groups overlap, so the row of all people is read and no group added.
with flow as (
    select * from {{ ref('stg_shelter__system_flow') }}
    where population_group ilike 'all population%'
)

select
    'QL-SHL-02' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    returned_from_housing::numeric as numerator,
    moved_to_housing::numeric as denominator
from flow
where returned_from_housing is not null and moved_to_housing > 0
