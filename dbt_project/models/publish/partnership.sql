-- One row per division and kind of partner, each also in all.
select
    division,
    kind,
    partnerships,
    active,
    contribution,
    solutions_reused,
    divisions_coached,
    recruits
from {{ ref('mart_partnership_total') }}
