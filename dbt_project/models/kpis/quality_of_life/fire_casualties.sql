-- Civilians killed or hurt per 100 fires, by ward and for the city. A fire's ward is a number: that of one of the 44 former
-- wards until November 2018.
with fires as (
    select
        date_trunc('year', alarmed_at)::date as period_start,
        max(alarmed_at) over ()::date as newest_day,
        {{ ward_of_period('ward_code', "date_trunc('year', alarmed_at)", 'year') }},
        civilian_casualties
    from {{ ref('stg_fire__incidents') }}
)

select
    'QL-FIR-02' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    sum(civilian_casualties)::numeric as numerator,
    count(*)::numeric as denominator
from fires
where civilian_casualties is not null and {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code', model='ward_model') }}
