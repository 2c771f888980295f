-- Two questions about the latest point of every KPI and area: has it changed (variation), and does it meet its target
-- reliably (assurance)? A KPI that cannot be asked is here too, with the reason.
with kpis as (
    select * from {{ ref('mart_kpi') }}
),

latest as (
    select distinct on (kpi_id, geography_type, geography_code, period_grain) *
    from {{ ref('kpi_current') }}
    where value is not null
    order by kpi_id, geography_type, geography_code, period_grain, period_start desc
),

signals as (
    select * from {{ ref('mart_kpi_signal') }}
),

targets as (
    select * from {{ ref('kpi_target') }}
),

joined as (
    select
        latest.kpi_id,
        latest.kpi_version,
        latest.geography_type,
        latest.geography_code,
        latest.period_grain,
        latest.period_start,
        latest.value,
        kpis.direction,
        kpis.suitable_for_signals,
        kpis.signal_basis,
        kpis.signal_reason_en,
        kpis.signal_reason_fr,
        signals.point_type,
        signals.special_cause,
        signals.is_trial,
        signals.phase_points,
        signals.mean,
        signals.lower_limit,
        signals.upper_limit,
        targets.target_type,
        coalesce(targets.target_low, targets.target_value) as target_low,
        coalesce(targets.target_high, targets.target_value) as target_high
    from latest
    inner join kpis on latest.kpi_id = kpis.kpi_id
    left join signals
        on
            {{ same_series('latest', 'signals') }}
            and latest.period_start = signals.period_start
    left join targets
        on
            {{ same_series('latest', 'targets') }}
            and latest.period_start = targets.period_start
)

select
    kpi_id,
    kpi_version,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    value,
    {{ kpi_variation() }} as variation,
    special_cause,
    is_trial,
    signal_basis,
    phase_points,
    mean,
    lower_limit,
    upper_limit,
    {{ kpi_assurance() }} as assurance,
    case when not suitable_for_signals then signal_reason_en end as reason_en,
    case when not suitable_for_signals then signal_reason_fr end as reason_fr
from joined
