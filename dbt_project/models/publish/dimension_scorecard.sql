-- One row per dimension and kind of comparison.
select
    dimension,
    comparison,
    kpis,
    favourable,
    unfavourable,
    stable,
    neutral,
    no_comparison,
    targets_set,
    targets_met
from {{ ref('mart_scorecard') }}
