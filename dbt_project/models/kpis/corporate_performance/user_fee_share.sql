-- Share of the approved gross operating spending that user fees and donations pay for. Revenues are negative in the
-- budget file.
with lines as (
    select * from {{ ref('stg_finance__operating_budget') }}
)

select
    'CP-BUD-01' as kpi_id,
    make_date(fiscal_year, 1, 1) as period_start,
    'year' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    -sum(amount) filter (where flow = 'revenue' and category ilike 'user fees%') as numerator,
    sum(amount) filter (where flow = 'expense') as denominator
from lines
group by fiscal_year
