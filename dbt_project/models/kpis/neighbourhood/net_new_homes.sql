-- Homes created less homes lost by the building permits closed in a year, by ward and for the city. A revision of a
-- permit states its homes again and is left out.
with permits as (
    select
        date_trunc('year', completed_on)::date as period_start,
        max(completed_on) over () as newest_day,
        {{ ward_of_period('ward_code', "date_trunc('year', completed_on)", 'year') }},
        coalesce(dwelling_units_created, 0) - coalesce(dwelling_units_lost, 0) as homes
    from {{ ref('stg_building__cleared_permits') }}
    where revision_num = '00'
)

select
    'NB-BLD-01' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    sum(homes)::numeric as numerator,
    null::numeric as denominator
from permits
where {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code', model='ward_model') }}
