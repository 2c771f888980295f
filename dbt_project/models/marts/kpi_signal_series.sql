-- What a process behaviour chart is drawn from: the figures of every KPI that is suitable for signals, or their
-- differences from the same season a year earlier where the seasons would look like signals. A recorded break starts a
-- new phase; points without a figure are left out.
with kpis as (
    select * from {{ ref('mart_kpi') }}
    where suitable_for_signals
),

breaks as (
    {{ kpi_rebase_rows() | indent(4) }}
),

points as (
    select * from {{ ref('kpi_current') }}
    where value is not null
),

charted as (
    select
        points.kpi_id,
        points.kpi_version,
        points.geography_type,
        points.geography_code,
        points.period_grain,
        points.period_start,
        points.value,
        case
            when kpis.signal_basis = 'same_season' then points.value - year_before.value
            else points.value
        end as charted,
        kpis.signal_basis,
        kpis.signal_baseline_points as baseline_points,
        kpis.direction,
        (
            select count(*)
            from breaks
            where breaks.kpi_id = points.kpi_id and breaks.starts_on <= points.period_start
        ) as breaks_before
    from points
    inner join kpis on points.kpi_id = kpis.kpi_id
    left join points as year_before
        on
            kpis.signal_basis = 'same_season'
            and {{ same_series('points', 'year_before') }}
            and (points.period_start - interval '1 year')::date = year_before.period_start
)

select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    (1 + breaks_before)::integer as phase,
    row_number() over (
        partition by kpi_id, geography_type, geography_code, period_grain, breaks_before order by period_start
    )::integer as place,
    value,
    charted,
    signal_basis,
    baseline_points,
    direction
from charted
where charted is not null
