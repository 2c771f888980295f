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
    case
        when not suitable_for_signals then 'not_suitable'
        when lower_limit is null then 'too_few_points'
        else point_type
    end as variation,
    special_cause,
    is_trial,
    signal_basis,
    phase_points,
    mean,
    lower_limit,
    upper_limit,
    case
        when target_type is null then 'no_target'
        -- Differences between years have no level that a target could be compared with.
        when lower_limit is null or signal_basis = 'same_season' then 'not_assessed'
        when target_type = 'range'
            then case
                when lower_limit >= target_low and upper_limit <= target_high then 'consistent_pass'
                when lower_limit > target_high or upper_limit < target_low then 'consistent_fail'
                else 'hit_or_miss'
            end
        when direction not in ('up', 'down') then 'not_assessed'
        when target_low > upper_limit
            then case direction when 'up' then 'consistent_fail' else 'consistent_pass' end
        when target_low < lower_limit
            then case direction when 'up' then 'consistent_pass' else 'consistent_fail' end
        else 'hit_or_miss'
    end as assurance,
    case when not suitable_for_signals then signal_reason_en end as reason_en,
    case when not suitable_for_signals then signal_reason_fr end as reason_fr
from joined
