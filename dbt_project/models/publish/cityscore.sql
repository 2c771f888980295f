-- One row per month.
select
    month_start,
    day_score,
    week_score,
    month_score,
    quarter_score,
    kpis,
    great,
    below_target,
    best,
    worst
from {{ ref('mart_cityscore') }}
