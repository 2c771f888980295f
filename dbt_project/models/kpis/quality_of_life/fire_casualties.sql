-- Civilians killed or hurt per 100 fires, by ward and for the city. Until 2018 ward numbers are those of the 44
-- former wards.
with fires as (
    select
        date_trunc('year', alarmed_at)::date as period_start,
        max(alarmed_at) over ()::date as newest_day,
        case when alarmed_at >= '2019-01-01' then ward_code end as ward_code,
        civilian_casualties
    from {{ ref('stg_fire__incidents') }}
)

select
    'QL-FIR-02' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code') }},
    sum(civilian_casualties)::numeric as numerator,
    count(*)::numeric as denominator
from fires
where civilian_casualties is not null and {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code') }}
