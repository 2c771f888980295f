-- One tile per KPI: its latest figure at the widest area it is computed for, every comparison of it, signal and target.
-- Beside it an "as of" strip: how far it goes, what is expected next, how good it is, who let it out and when. A KPI
-- without a figure has its row too.
with kpis as (
    select * from {{ ref('mart_kpi') }}
),

figures as (
    select
        *,
        row_number() over (
            partition by kpi_id, geography_type, geography_code order by period_start desc
        ) as place
    from {{ ref('kpi_current') }}
    where geography_type in ('city', 'country') and value is not null
),

latest as (
    select distinct on (kpi_id) *
    from figures
    where place = 1
    order by kpi_id, geography_type
),

recent as (
    select
        kpi_id,
        geography_type,
        geography_code,
        json_agg(value order by period_start)::text as recent_values
    from figures
    where place <= 13
    group by kpi_id, geography_type, geography_code
),

comparisons as (
    select
        kpi_id,
        geography_type,
        geography_code,
        max(comparison) filter (where is_headline) as headline,
        max(change) filter (where is_headline) as change,
        max(change_unit) as change_unit,
        max(trend) filter (where is_headline) as trend,
        max(status) filter (where is_headline) as status,
        {%- for kind in ['period', 'year', 'ytd', 'rolling_12', 'target'] %}
            max(compared_value) filter (where comparison = '{{ kind }}') as {{ kind }}_compared_value,
            max(change) filter (where comparison = '{{ kind }}') as {{ kind }}_change,
            max(status) filter (where comparison = '{{ kind }}') as {{ kind }}_status,
        {%- endfor %}
        max(current_value) filter (where comparison = 'ytd') as ytd_value,
        max(current_value) filter (where comparison = 'rolling_12') as rolling_12_value,
        bool_and(is_target_met) as is_target_met
    from {{ ref('mart_kpi_comparison') }}
    group by kpi_id, geography_type, geography_code
),

-- How the figure before stood to the target of its own period.
before as (
    select distinct on (latest.kpi_id)
        latest.kpi_id,
        earlier.is_target_met as was_target_met
    from latest
    inner join {{ ref('kpi_period_comparison') }} as earlier
        on
            {{ same_series('latest', 'earlier') }}
            and latest.period_start > earlier.period_start
            and earlier.comparison = 'target'
    order by latest.kpi_id, earlier.period_start desc
)

select
    kpis.kpi_id,
    kpis.name_en,
    kpis.name_fr,
    kpis.dimension,
    kpis.report_section,
    kpis.measure_type,
    kpis.unit,
    kpis.decimals,
    kpis.direction,
    kpis.owner,
    latest.geography_type,
    latest.geography_code,
    latest.period_grain,
    latest.period_start,
    periods.label_en as period_label_en,
    periods.label_fr as period_label_fr,
    latest.value,
    latest.vintage,
    comparisons.headline,
    comparisons.change,
    comparisons.change_unit,
    comparisons.trend,
    comparisons.status,
    comparisons.period_compared_value as previous_value,
    comparisons.period_change as previous_change,
    comparisons.period_status as previous_status,
    comparisons.year_compared_value as last_year_value,
    comparisons.year_change as last_year_change,
    comparisons.year_status as last_year_status,
    comparisons.ytd_value,
    comparisons.ytd_compared_value as last_ytd_value,
    comparisons.ytd_change,
    comparisons.ytd_status,
    comparisons.rolling_12_value,
    comparisons.rolling_12_change,
    comparisons.rolling_12_status,
    comparisons.target_compared_value as target_value,
    comparisons.target_change,
    comparisons.target_status,
    comparisons.is_target_met,
    before.was_target_met,
    assessments.variation,
    assessments.special_cause,
    assessments.assurance,
    recent.recent_values,
    periods.period_end,
    standing.next_expected_on,
    standing.late_by_days,
    standing.stale_reason_en,
    standing.stale_reason_fr,
    standing.quality_score,
    standing.quality_grade,
    approvals.released_on,
    approvals.approved_by_en,
    approvals.approved_by_fr
from kpis
left join latest on kpis.kpi_id = latest.kpi_id
left join {{ ref('mart_period') }} as periods
    on
        latest.period_grain = periods.period_grain
        and latest.period_start = periods.period_start
left join comparisons
    on
        latest.kpi_id = comparisons.kpi_id
        and latest.geography_type = comparisons.geography_type
        and latest.geography_code = comparisons.geography_code
left join before on kpis.kpi_id = before.kpi_id
left join {{ ref('mart_kpi_assessment') }} as assessments
    on
        {{ same_series('latest', 'assessments') }}
left join recent
    on
        latest.kpi_id = recent.kpi_id
        and latest.geography_type = recent.geography_type
        and latest.geography_code = recent.geography_code
left join {{ ref('kpi_as_of') }} as standing on kpis.kpi_id = standing.kpi_id
left join {{ ref('mart_vintage') }} as vintages on latest.vintage = vintages.vintage
left join {{ ref('release_approval') }} as approvals on vintages.release_number = approvals.number
