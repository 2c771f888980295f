-- Each figure of an edition as it was frozen, and beside it the same figure as it stands: of the same KPI, area and
-- period, under the definition of today. A change of definition is never called a revision. What restated it is the first
-- release after the edition's own that was made on the night of the figure's last vintage or later.
with frozen as (
    select
        figures.*,
        editions.release_number as frozen_by_release
    from {{ ref('report_edition_point') }} as figures
    inner join {{ ref('report_edition_standing') }} as editions on figures.edition_id = editions.edition_id
),

points as (
    select distinct
        kpi_id,
        geography_type,
        geography_code,
        period_grain,
        period_start
    from frozen
),

standing as (
    select distinct on (
        figures.kpi_id, figures.geography_type, figures.geography_code, figures.period_grain, figures.period_start
    )
        figures.kpi_id,
        figures.kpi_version,
        figures.geography_type,
        figures.geography_code,
        figures.period_grain,
        figures.period_start,
        figures.vintage,
        figures.is_withdrawn,
        case when not figures.is_withdrawn then figures.value end as value
    from {{ ref('mart_kpi_value') }} as figures
    inner join points
        on
            {{ same_series('figures', 'points') }}
            and figures.period_start = points.period_start
    order by
        figures.kpi_id, figures.geography_type, figures.geography_code, figures.period_grain, figures.period_start,
        figures.kpi_version desc, figures.vintage desc
),

comparisons as (
    select * from {{ ref('kpi_period_comparison') }}
    where geography_type in ('city', 'country')
),

beside as (
    select
        frozen.*,
        standing.value as latest_value,
        standing.vintage as latest_vintage,
        standing.kpi_version as latest_value_version,
        coalesce(standing.is_withdrawn, true) as is_gone,
        comparisons.status as latest_status,
        kpis.version as latest_version,
        coalesce(kpis.version <> frozen.kpi_version, false) as is_redefined,
        coalesce(frozen.value is distinct from standing.value, false) as is_restated,
        versions.effective_on,
        versions.note_en as version_note_en,
        versions.note_fr as version_note_fr
    from frozen
    left join standing
        on
            {{ same_series('frozen', 'standing') }}
            and frozen.period_start = standing.period_start
    left join comparisons
        on
            {{ same_series('frozen', 'comparisons') }}
            and frozen.period_start = comparisons.period_start
            and frozen.comparison = comparisons.comparison
    left join {{ ref('mart_kpi') }} as kpis on frozen.kpi_id = kpis.kpi_id
    left join {{ ref('mart_kpi_version') }} as versions
        on
            kpis.kpi_id = versions.kpi_id
            and kpis.version = versions.kpi_version
)

select
    {{ frozen_columns() }},
    latest_value,
    latest_vintage,
    coalesce(latest_status, 'no_comparison') as latest_status,
    is_restated,
    case when is_restated then latest_value - value end as restated_by,
    case
        when is_restated then trim_scale(round((latest_value - value) / nullif(abs(value), 0) * 100, 6))
    end as restated_by_percent,
    case
        when not is_restated then null
        when latest_value_version <> kpi_version then 'definition'
        when value is null then 'late_data'
        when is_gone then 'withdrawal'
        else 'revision'
    end as restatement_cause,
    case
        when is_restated
            then (
                select min(releases.number)
                from {{ ref('mart_release') }} as releases
                where releases.number > beside.frozen_by_release and releases.night >= beside.latest_vintage
            )
    end as restated_in_release,
    latest_version,
    is_redefined,
    case when is_redefined then effective_on end as redefined_on,
    case when is_redefined then version_note_en end as redefinition_note_en,
    case when is_redefined then version_note_fr end as redefinition_note_fr
from beside
