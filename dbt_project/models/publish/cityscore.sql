-- One row per date on which an entry came in.
select
    score_date,
    is_month_end,
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
