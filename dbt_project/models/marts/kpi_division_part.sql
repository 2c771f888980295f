-- Parts by division of those KPIs that sum the monthly returns of units. Former names count to the present division;
-- units of a division that no list has are unplaced.
with units as (
    select
        returns.month_start,
        coalesce(organisation.division_code, 'unplaced') as division_code,
        returns.budget,
        returns.actual,
        returns.fte_budget,
        returns.fte_actual,
        returns.absence_days
    from {{ ref('int_unit_resources') }} as returns
    left join {{ ref('int_organisation') }} as organisation
        on {{ organisation_key('returns.division') }} = organisation.name_key
),

summed as (
    select
        'CP-BUD-02' as kpi_id,
        month_start as period_start,
        division_code,
        sum(actual) as numerator,
        sum(budget) as denominator
    from units
    group by month_start, division_code
    union all
    select
        'CP-HRS-01' as kpi_id,
        month_start as period_start,
        division_code,
        sum(absence_days) as numerator,
        sum(fte_actual) as denominator
    from units
    where absence_days is not null
    group by month_start, division_code
    union all
    select
        'CP-HRS-02' as kpi_id,
        month_start as period_start,
        division_code,
        sum(fte_actual) as numerator,
        sum(fte_budget) as denominator
    from units
    group by month_start, division_code
)

select
    kpi_id,
    'month' as period_grain,
    period_start,
    division_code,
    numerator::numeric as numerator,
    denominator::numeric as denominator
from summed
