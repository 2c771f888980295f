-- Share of the taxes levied by tax rate (schedule 22, line 9910) that is the Province's education tax. 1999 is Toronto's
-- roll number: names stand in wrong rows in the file of 2022.
with levies as (
    select
        year,
        column_name,
        amount
    from {{ ref('stg_fir__schedule_22') }}
    where assessment_code = '1999' and line = 9910 and column_name in ('education_taxes', 'total_taxes')
)

select
    'CP-FIR-02' as kpi_id,
    make_date(year, 1, 1) as period_start,
    'year' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(amount) filter (where column_name = 'education_taxes') as numerator,
    sum(amount) filter (where column_name = 'total_taxes') as denominator
from levies
group by year
