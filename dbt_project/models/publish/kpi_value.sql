-- One row per KPI version, area, period and vintage.
select
    figures.kpi_id,
    figures.kpi_version,
    figures.geography_type,
    figures.geography_code,
    figures.period_grain,
    figures.period_start,
    figures.vintage,
    figures.value,
    figures.numerator,
    figures.denominator,
    figures.is_withdrawn,
    not figures.is_withdrawn
    and coalesce(figures.kpi_version = kpis.version, false)
    and lead(figures.vintage) over (
        partition by
            figures.kpi_id,
            figures.geography_type,
            figures.geography_code,
            figures.period_grain,
            figures.period_start,
            figures.kpi_version
        order by figures.vintage
    ) is null as is_latest,
    case when not figures.is_withdrawn then marks.mark end as mark
from {{ ref('mart_kpi_value') }} as figures
left join {{ ref('mart_kpi') }} as kpis on figures.kpi_id = kpis.kpi_id
left join {{ ref('mart_kpi_mark') }} as marks
    on
        figures.kpi_id = marks.kpi_id
        and figures.geography_type = marks.geography_type
        and figures.geography_code = marks.geography_code
        and figures.period_grain = marks.period_grain
        and figures.period_start = marks.period_start
