with stints as (
    select
        *,
        extract(year from started_on)::integer as start_year,
        case when ended_on is not null then days_run end as days_run_to_end
    from {{ ref('int_stint_outcomes') }}
)

select
    {{ or_all('division', 'All divisions') }} as division,
    start_year,
    count(*) as stints,
    count(ended_on) as ended,
    count(*) filter (where ended_on is null) as running,
    count(*) filter (where outcome = 'Worked') as worked,
    count(*) filter (where outcome = 'Worked in part') as worked_in_part,
    count(*) filter (where outcome = 'Failed') as failed,
    count(*) filter (where outcome = 'Stopped early') as stopped_early,
    count(*) filter (where procurement_outcome = 'Procured') as procured,
    count(*) filter (where is_scaled) as scaled,
    count(*) filter (where ended_on is not null and is_within_112_days) as within_112_days,
    {{ ratio('count(*) filter (where ended_on is not null and is_within_112_days)', 'count(ended_on)') }}
        as within_112_days_share,
    {{ quantile('days_run_to_end', 0.5) }} as median_days
from stints
group by grouping sets ((division, start_year), (start_year))
