-- The register as it was known at the end of each quarter, beside the quarter before.
with history as (
    select
        *,
        likelihood * impact as score
    from {{ ref('int_risk_register_history') }}
),

quarters as (
    {{ register_quarters('history') }}
),

known as (
    select
        quarters.quarter_start,
        history.division,
        history.risk_id,
        history.score,
        history.status = 'closed' as is_closed,
        lag(history.score) over by_quarter as previous_score,
        lag(history.status = 'closed') over by_quarter as was_closed
    from quarters
    inner join history
        on
            quarters.quarter_end >= history.valid_from
            and quarters.quarter_end < history.valid_to
            and not history.is_removed
    window by_quarter as (partition by history.division, history.risk_id order by quarters.quarter_start)
)

select
    {{ or_all('division', 'All divisions') }} as division,
    quarter_start,
    count(*) filter (where not is_closed) as open_risks,
    count(*) filter (where not is_closed and score >= 15) as extreme,
    count(*) filter (where not is_closed and score between 10 and 14) as high,
    count(*) filter (where not is_closed and score between 5 and 9) as medium,
    count(*) filter (where not is_closed and score < 5) as low,
    trim_scale(round(avg(score) filter (where not is_closed), 10)) as mean_score,
    count(*) filter (where not is_closed and previous_score is null) as new_risks,
    count(*) filter (where not is_closed and score > previous_score) as rising,
    count(*) filter (where not is_closed and score < previous_score) as falling,
    count(*) filter (where not is_closed and score = previous_score) as stable,
    count(*) filter (where is_closed and not coalesce(was_closed, false)) as closed_in_quarter
from known
group by grouping sets ((division, quarter_start), (quarter_start))
