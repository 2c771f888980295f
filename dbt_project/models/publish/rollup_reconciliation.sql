-- One row per KPI, kind of part and period.
select
    kpi_id,
    kpi_version,
    part_type,
    period_grain,
    period_start,
    rollup,
    parts,
    parts_value,
    unplaced_numerator,
    whole_type,
    whole_value,
    difference,
    tolerance,
    verdict,
    reason_en,
    reason_fr
from {{ ref('mart_rollup_reconciliation') }}
