-- Of the people killed or seriously injured in traffic, the share who walked or cycled.
with people as (
    select
        date_trunc('quarter', collided_at)::date as period_start,
        max(collided_at) over ()::date as newest_day,
        road_user,
        injury
    from {{ ref('stg_transportation__collision_persons') }}
    where not is_repeat
)

select
    'QL-KSI-02' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where road_user ~* '^(pedestrian|cyclist)')::numeric as numerator,
    count(*)::numeric as denominator
from people
where injury in ('fatal', 'major') and {{ is_complete_period('quarter', 'period_start', 'newest_day') }}
group by period_start
