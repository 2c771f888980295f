-- Versions of each KPI's definition. A new version is a break in the series: its figures start a series of their own in
-- kpi_value, so that a change of definition is never read as a revision or as a movement. Versions come from the KPI's
-- YAML, where they are recorded, and from the figures themselves.
with recorded as (
    {{ kpi_version_rows() | indent(4) }}
),

standing as (
    select
        kpi_id,
        version as kpi_version
    from {{ ref('mart_kpi') }}
),

computed as (
    select
        kpi_id,
        kpi_version,
        min(vintage) as first_vintage,
        max(vintage) as last_vintage,
        min(period_start) filter (where value is not null) as first_period_start,
        max(period_start) filter (where value is not null) as last_period_start
    from {{ ref('mart_kpi_value') }}
    group by kpi_id, kpi_version
),

known as (
    select
        kpi_id,
        kpi_version
    from recorded
    union
    select
        kpi_id,
        kpi_version
    from standing
    union
    select
        kpi_id,
        kpi_version
    from computed
)

select
    known.kpi_id,
    known.kpi_version,
    coalesce(known.kpi_version = standing.kpi_version, false) as is_current,
    known.kpi_version > min(known.kpi_version) over (partition by known.kpi_id) as is_break,
    recorded.effective_on,
    recorded.note_en,
    recorded.note_fr,
    computed.first_vintage,
    computed.last_vintage,
    computed.first_period_start,
    computed.last_period_start
from known
left join standing on known.kpi_id = standing.kpi_id
left join recorded
    on
        known.kpi_id = recorded.kpi_id
        and known.kpi_version = recorded.kpi_version
left join computed
    on
        known.kpi_id = computed.kpi_id
        and known.kpi_version = computed.kpi_version
