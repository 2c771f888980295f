-- One row per measure, year and reporting municipality.
-- The network's results carry no licence: outside the sample (invented figures) and the replay (which never leaves the
-- machine) the table is there and empty.
select
    measure_code,
    measure_name,
    program_area,
    measure_category,
    municipality,
    period_year,
    value,
    median,
    first_quartile,
    third_quartile,
    rank,
    reporters,
    quartile,
    best,
    gap_to_median,
    gap_to_best,
    direction,
    comparability_note
from {{ ref('mart_benchmark') }}
where {{ profile() in ('sample', 'replay') }}
