-- Active applications for social housing per 100 subsidized homes of the same quarter.
with waiting as (
    select
        quarter_start,
        households
    from {{ ref('stg_housing__social_waiting_list') }}
    where breakdown = 'waiting'
)

select
    'QL-HSG-02' as kpi_id,
    waiting.quarter_start as period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    waiting.households::numeric as numerator,
    homes.subsidized_homes::numeric as denominator
from waiting
inner join {{ ref('stg_housing__active_units') }} as homes
    on waiting.quarter_start = homes.quarter_start
where homes.subsidized_homes > 0
