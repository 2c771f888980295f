-- One row per division and year of start, also in all.
select
    division,
    start_year,
    stints,
    ended,
    running,
    worked,
    worked_in_part,
    failed,
    stopped_early,
    procured,
    scaled,
    within_112_days,
    within_112_days_share,
    median_days
from {{ ref('mart_stint_outcome') }}
