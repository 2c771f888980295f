-- Loans and renewals of a year by the residents of that year; years without a known population are left out.
with loans as (
    select
        make_date(activity_year, 1, 1) as period_start,
        activity_year,
        sum(circulation)::numeric as loans
    from {{ ref('stg_library__circulation') }}
    group by activity_year
)

select
    'SD-LIB-01' as kpi_id,
    loans.period_start,
    'year' as period_grain,
    residents.geography_type,
    residents.geography_code,
    loans.loans as numerator,
    residents.population::numeric as denominator
from loans
inner join {{ ref('int_population') }} as residents
    on
        loans.activity_year = residents.population_year
        and residents.geography_type = 'city'
