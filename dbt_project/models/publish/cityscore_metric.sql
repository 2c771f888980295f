-- One row per KPI and entry.
select
    kpi_id,
    period_grain,
    period_start,
    direction,
    is_trend,
    value,
    target,
    target_kind,
    entries,
    day_score,
    week_score,
    month_score,
    quarter_score,
    standing,
    is_unbounded,
    percentile
from {{ ref('mart_cityscore_metric') }}
