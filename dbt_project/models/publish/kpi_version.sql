-- One row per KPI and version of its definition.
select
    kpi_id,
    kpi_version,
    is_current,
    is_break,
    effective_on,
    note_en,
    note_fr,
    first_vintage,
    last_vintage,
    first_period_start,
    last_period_start
from {{ ref('mart_kpi_version') }}
