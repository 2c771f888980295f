-- One row per KPI and kind of area.
select
    kpi_id,
    kpi_version,
    geography_type,
    period_grain,
    figures,
    figures_with_vintages,
    figures_revised,
    mean_revision,
    mean_absolute_revision,
    mean_revision_percent,
    mean_absolute_revision_percent,
    largest_revision_percent
from {{ ref('mart_kpi_revision') }}
