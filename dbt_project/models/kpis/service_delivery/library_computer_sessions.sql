-- Sessions at public computers per resident of the same year. Until 2017 sessions were estimated from counts by hand, so
-- the series begins with the booking system in 2018.
with sessions as (
    select
        make_date(activity_year, 1, 1) as period_start,
        activity_year,
        sum(sessions)::numeric as sessions
    from {{ ref('stg_library__workstation_usage') }}
    where not is_estimate
    group by activity_year
)

select
    'SD-LIB-02' as kpi_id,
    sessions.period_start,
    'year' as period_grain,
    residents.geography_type,
    residents.geography_code,
    sessions.sessions as numerator,
    residents.population::numeric as denominator
from sessions
inner join {{ ref('int_population') }} as residents
    on
        sessions.activity_year = residents.population_year
        and residents.geography_type = 'city'
