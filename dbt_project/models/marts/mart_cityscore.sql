-- The city's score at every date on which an entry came in: the mean of its KPIs' scores, again up to the next hundredth.
-- A month's figure comes in on its last day. A KPI counts with its latest entry, whose windows end there, for a quarter at
-- most; the day's score is of that very day. What has no score counts nowhere.
with metrics as (
    select
        *,
        case period_grain
            when 'day' then period_start
            else (period_start + interval '1 month' - interval '1 day')::date
        end as entered_on
    from {{ ref('mart_cityscore_metric') }}
),

standing as (
    select
        *,
        least(
            lead(entered_on) over (partition by kpi_id order by entered_on) - 1, entered_on + 91
        ) as stands_until
    from metrics
),

dates as (
    select distinct entered_on as score_date
    from metrics
),

placed as (
    select
        dates.score_date,
        standing.kpi_id,
        case when dates.score_date = standing.entered_on then standing.day_score end as day_score,
        standing.week_score,
        standing.month_score,
        standing.quarter_score,
        standing.standing,
        -- Best and worst are told by the week where there is one.
        coalesce(standing.week_score, standing.month_score) as ranked_by,
        row_number() over (
            partition by dates.score_date
            order by coalesce(standing.week_score, standing.month_score) desc nulls last, standing.kpi_id
        ) as place_from_best,
        row_number() over (
            partition by dates.score_date
            order by coalesce(standing.week_score, standing.month_score) nulls last, standing.kpi_id
        ) as place_from_worst
    from standing
    -- Days are joined one by one: a join on "between" compares every date with every entry.
    cross join lateral generate_series(0, standing.stands_until - standing.entered_on) as day (days_later)
    inner join dates on standing.entered_on + day.days_later = dates.score_date
)

select
    score_date,
    score_date = (date_trunc('month', score_date) + interval '1 month' - interval '1 day')::date as is_month_end,
    {{ cityscore_round_up('avg(day_score)') }} as day_score,
    {{ cityscore_round_up('avg(week_score)') }} as week_score,
    {{ cityscore_round_up('avg(month_score)') }} as month_score,
    {{ cityscore_round_up('avg(quarter_score)') }} as quarter_score,
    count(month_score)::integer as kpis,
    count(*) filter (where standing = 'great')::integer as great,
    count(*) filter (where standing = 'below_target')::integer as below_target,
    string_agg(kpi_id, ', ' order by ranked_by desc, kpi_id)
    filter (where place_from_best <= 5 and ranked_by is not null) as best,
    string_agg(kpi_id, ', ' order by ranked_by, kpi_id)
    filter (where place_from_worst <= 5 and ranked_by is not null) as worst
from placed
group by score_date
having count(month_score) > 0
