-- One row per node of the balanced scorecard's tree.
select
    node_level,
    node,
    parent,
    name_en,
    name_fr,
    weight,
    weight_share,
    attainment,
    kpis,
    kpis_with_target,
    kpis_without_target,
    targets_met,
    period_start,
    current_value,
    target_value
from {{ ref('mart_balanced_scorecard') }}
