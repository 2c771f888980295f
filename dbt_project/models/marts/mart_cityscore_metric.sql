-- CityScore of each KPI at each of its entries, by the rules of the City of Boston's toolkit: value against target, the
-- other way round where lower is better, above 1 is beyond the target. Day, week, month and quarter are the last 1, 7, 30
-- and 90 days of a daily KPI. A monthly one has no day and no week; its month is the latest entry and its quarter the last
-- three. A rare event that did not happen has no score for its latest entry.
with entries as (
    select * from {{ ref('cityscore_target') }}
),

windowed as (
    select
        *,
        avg(value) over last_7 as week_average,
        case period_grain when 'day' then avg(value) over last_30 else value end as month_average,
        case period_grain when 'day' then avg(value) over last_90 else avg(value) over last_3 end as quarter_average
    from entries
    window
        by_place as (partition by kpi_id order by place),
        last_7 as (by_place range between 6 preceding and current row),
        last_30 as (by_place range between 29 preceding and current row),
        last_90 as (by_place range between 89 preceding and current row),
        last_3 as (by_place range between 2 preceding and current row)
),

scored as (
    select
        *,
        case
            when value = 0 and is_trend then null
            else {{ cityscore_score('value', 'target', 'direction', 'entries') }}
        end as latest_score,
        case
            when period_grain = 'day' then {{ cityscore_score('week_average', 'target', 'direction', 'entries') }}
        end as week_score,
        case
            when period_grain = 'month' and value = 0 and is_trend then null
            else {{ cityscore_score('month_average', 'target', 'direction', 'entries') }}
        end as month_score,
        {{ cityscore_score('quarter_average', 'target', 'direction', 'entries') }} as quarter_score
    from windowed
)

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
    trim_scale(case when period_grain = 'day' then latest_score end) as day_score,
    trim_scale(week_score) as week_score,
    trim_scale(month_score) as month_score,
    trim_scale(quarter_score) as quarter_score,
    case
        when month_score is null then 'not_scored'
        when month_score > 1.25 then 'great'
        when month_score < 1 then 'below_target'
        else 'on_target'
    end as standing,
    direction = 'down' and month_score > 1.25 as is_unbounded,
    -- Mean of the shares of scores below and up to this one, among all so far to date.
    case
        when month_score is not null
            then trim_scale(round(
                (
                    rank() over by_score - 1
                    + count(month_score) over (by_score range between unbounded preceding and current row)
                    + 1
                ) * 50.0 / nullif(count(month_score) over (partition by kpi_id), 0), 6
            ))
    end as percentile
from scored
window by_score as (partition by kpi_id order by month_score)
