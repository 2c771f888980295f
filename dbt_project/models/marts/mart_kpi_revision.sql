-- How far figures move after they are first published: per KPI and kind of area, the latest value against the first. A new
-- version of a definition is a break: its figures are never compared with those of the old one.
with points as (
    select
        kpi_id,
        kpi_version,
        geography_type,
        period_grain,
        vintages,
        value - first_value as revision,
        abs(first_value) as size
    from {{ ref('kpi_current') }}
    where value is not null and first_value is not null
)

select
    kpi_id,
    kpi_version,
    geography_type,
    period_grain,
    count(*)::integer as figures,
    count(*) filter (where vintages > 1)::integer as figures_with_vintages,
    count(*) filter (where revision <> 0)::integer as figures_revised,
    trim_scale(round(avg(revision), 12)) as mean_revision,
    trim_scale(round(avg(abs(revision)), 12)) as mean_absolute_revision,
    trim_scale(round(avg(revision / nullif(size, 0)) * 100, 6)) as mean_revision_percent,
    trim_scale(round(avg(abs(revision) / nullif(size, 0)) * 100, 6)) as mean_absolute_revision_percent,
    trim_scale(round(max(abs(revision) / nullif(size, 0)) * 100, 6)) as largest_revision_percent
from points
group by kpi_id, kpi_version, geography_type, period_grain
