-- Every comparison of every point, judged: how far the figure moved, which way, and whether that is the desired way.
-- The rule is the City's own (macros kpi_trend to kpi_status).
with pairs as (
    select * from {{ ref('kpi_comparison_pair') }}
),

judged as (
    select
        *,
        {{ kpi_trend('current_value', 'compared_value', 'threshold') }} as trend
    from pairs
),

weighed as (
    select
        *,
        case
            -- Leaving a range is a miss on either side, whatever the KPI's direction.
            when target_type = 'range' and trend in ('up', 'down') then -1
            else {{ kpi_impact('trend', 'direction') }}
        end as impact
    from judged
)

select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    comparison,
    current_value,
    compared_value,
    compared_period_start,
    periods,
    threshold,
    {{ kpi_change('current_value', 'compared_value', 'is_share') }} as change,
    case when is_share then 'pp' else 'percent' end as change_unit,
    trend,
    impact,
    {{ kpi_status('trend', 'impact') }} as status,
    case
        when comparison = 'target' and trend is not null and (direction in ('up', 'down') or target_type = 'range')
            then impact >= 0
    end as is_target_met
from weighed
