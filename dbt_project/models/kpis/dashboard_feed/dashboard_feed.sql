-- One row per measure and period of the City's dashboard feed, city-wide, as delivered. The feed gives figures and not
-- their parts, so the figure is the numerator. A point without a value stays: the City published the period.
with points as (
    select * from {{ ref('int_dashboard_points') }}
)

select
    measure_id as kpi_id,
    period_start,
    period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    value as numerator,
    null::numeric as denominator
from points
where is_in_feed
