-- Workload is added up only where all units count the same thing.
with units as (
    select * from {{ ref('int_unit_resources') }}
),

summed as (
    select
        {{ or_all('division', 'All divisions') }} as division,
        {{ or_all('unit', 'All units') }} as unit,
        fiscal_year,
        fiscal_month,
        month_start,
        sum(fte_budget) as fte_budget,
        sum(fte_actual) as fte_actual,
        sum(absence_days) as absence_days,
        sum(budget) as budget,
        sum(actual) as actual,
        case when count(distinct workload_unit) = 1 then sum(workload) end as workload,
        case when count(distinct workload_unit) = 1 then max(workload_unit) end as workload_unit
    from units
    group by grouping sets (
        (division, unit, fiscal_year, fiscal_month, month_start),
        (division, fiscal_year, fiscal_month, month_start),
        (fiscal_year, fiscal_month, month_start)
    )
)

select
    division,
    unit,
    fiscal_year,
    fiscal_month,
    month_start,
    fte_budget,
    fte_actual,
    {{ ratio('fte_actual', 'fte_budget') }} as fte_filled_share,
    absence_days,
    {{ ratio('absence_days', 'fte_actual') }} as absence_days_per_fte,
    budget,
    actual,
    actual - budget as variance,
    {{ ratio('actual - budget', 'budget') }} as variance_share,
    sum(budget) over so_far as budget_to_date,
    sum(actual) over so_far as actual_to_date,
    {{ ratio('sum(actual) over so_far', 'sum(budget) over so_far') }} as spent_to_date_share,
    workload,
    workload_unit,
    {{ ratio('actual', 'workload') }} as unit_cost,
    {{ ratio('workload', 'fte_actual') }} as workload_per_fte
from summed
window so_far as (partition by division, unit, fiscal_year order by fiscal_month)
