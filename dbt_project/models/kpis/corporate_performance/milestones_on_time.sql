-- Milestones of the quarter that were reached on or before their baseline date. Quarters before the first hand-in are
-- left out: it no longer lists what was reached long ago.
with milestones as (
    select
        date_trunc('quarter', baseline_date)::date as quarter_start,
        actual_date <= baseline_date as is_on_time,
        min(valid_from) over () as first_day,
        max(valid_from) over () as last_day,
        is_latest,
        case when is_removed then previous_status else status end as stated_status
    from {{ ref('int_milestones_history') }}
)

select
    'CP-PRJ-01' as kpi_id,
    quarter_start as period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where is_on_time)::numeric as numerator,
    count(*)::numeric as denominator
from milestones
where
    is_latest
    and stated_status <> 'cancelled'
    and quarter_start > first_day
    and (quarter_start + interval '3 months')::date - 1 <= last_day
group by quarter_start
