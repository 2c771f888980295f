-- Visits to all branches of a year by the residents of that year; years without a known population are left out.
with visits as (
    select
        make_date(activity_year, 1, 1) as period_start,
        activity_year,
        sum(visits)::numeric as visits
    from {{ ref('stg_library__visits') }}
    group by activity_year
)

select
    'QL-LIB-01' as kpi_id,
    visits.period_start,
    'year' as period_grain,
    residents.geography_type,
    residents.geography_code,
    visits.visits as numerator,
    residents.population::numeric as denominator
from visits
inner join {{ ref('int_population') }} as residents
    on
        visits.activity_year = residents.population_year
        and residents.geography_type = 'city'
