-- Households housed from the waiting list in a quarter per 1,000 active applications at its end.
with list as (
    select
        quarter_start,
        max(households) filter (where breakdown = 'activity' and category = 'housed') as housed,
        max(households) filter (where breakdown = 'waiting') as waiting
    from {{ ref('stg_housing__social_waiting_list') }}
    group by quarter_start
)

select
    'QL-HSG-01' as kpi_id,
    quarter_start as period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    housed::numeric as numerator,
    waiting::numeric as denominator
from list
where housed is not null and waiting > 0
