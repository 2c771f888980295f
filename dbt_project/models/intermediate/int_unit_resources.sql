-- A hand-in holds the months of the last year or two: a month that has slid out of it keeps the figures it had last.
select
    division,
    unit,
    fiscal_year,
    fiscal_month,
    make_date(fiscal_year, fiscal_month, 1) as month_start,
    fte_budget,
    fte_actual,
    absence_days,
    budget,
    actual,
    workload,
    workload_unit,
    as_of,
    _file_id,
    _night
from {{ ref('int_unit_resources_history') }}
where is_latest
