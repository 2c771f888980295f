-- The city's score: the mean of its KPIs' scores, again up to the next hundredth, at the end of each month. A KPI without
-- a score for the month counts nowhere.
with metrics as (
    select
        *,
        date_trunc('month', period_start)::date as month_start
    from {{ ref('mart_cityscore_metric') }}
),

-- Of a daily KPI its latest day of the month.
latest as (
    select distinct on (kpi_id, month_start) *
    from metrics
    order by kpi_id, month_start, period_start desc
),

placed as (
    select
        *,
        row_number() over (partition by month_start order by month_score desc nulls last, kpi_id) as place_from_best,
        row_number() over (partition by month_start order by month_score nulls last, kpi_id) as place_from_worst
    from latest
)

select
    month_start,
    {{ cityscore_round_up('avg(day_score)') }} as day_score,
    {{ cityscore_round_up('avg(week_score)') }} as week_score,
    {{ cityscore_round_up('avg(month_score)') }} as month_score,
    {{ cityscore_round_up('avg(quarter_score)') }} as quarter_score,
    count(*)::integer as kpis,
    count(*) filter (where standing = 'great')::integer as great,
    count(*) filter (where standing = 'below_target')::integer as below_target,
    string_agg(kpi_id, ', ' order by month_score desc, kpi_id) filter (where place_from_best <= 5) as best,
    string_agg(kpi_id, ', ' order by month_score, kpi_id) filter (where place_from_worst <= 5) as worst
from placed
where month_score is not null
group by month_start
