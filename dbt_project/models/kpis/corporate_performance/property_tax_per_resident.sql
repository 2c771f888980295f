-- Taxes that the City levies by tax rate for itself (schedule 22, line 9910), divided by the residents of line 0041 of
-- schedule 02. 1999 is Toronto's roll number: names stand in wrong rows in the file of 2022. Education taxes are the
-- Province's.
with taxes as (
    select
        year,
        amount
    from {{ ref('stg_fir__schedule_22') }}
    where assessment_code = '1999' and line = 9910 and column_name = 'lower_single_tier_taxes'
),

residents as (
    select
        year,
        amount
    from {{ ref('stg_fir__schedule_02') }}
    where assessment_code = '1999' and line = 41 and column_name = '01'
)

select
    'CP-FIR-01' as kpi_id,
    make_date(taxes.year, 1, 1) as period_start,
    'year' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    taxes.amount as numerator,
    residents.amount as denominator
from taxes
inner join residents on taxes.year = residents.year
where residents.amount > 0
