-- The feed repeats a measure's fields on each of its points; the latest point speaks for the measure.
with measures as (
    select * from {{ ref('stg_dashboard__measures') }}
),

latest as (
    select distinct on (measure_id) *
    from measures
    order by measure_id, period_start desc
),

spans as (
    select
        measure_id,
        min(period_start) filter (where value is not null) as first_period_start,
        max(period_start) filter (where value is not null) as last_period_start
    from measures
    group by measure_id
),

targeted as (
    select distinct measure_id from {{ ref('stg_dashboard__targets') }}
    where target is not null
)

select
    latest.measure_id,
    latest.measure_name,
    latest.period_grain,
    latest.value_type,
    latest.is_year_to_date,
    coalesce(latest.period_threshold, 0) as period_threshold,
    coalesce(latest.year_threshold, latest.period_threshold, 0) as year_threshold,
    coalesce(latest.target_threshold, latest.period_threshold, 0) as target_threshold,
    latest.decimals,
    latest.desired_direction,
    latest.category,
    latest.categories,
    latest.data_source_note,
    latest.city_perspective,
    latest.keywords,
    targeted.measure_id is not null as has_targets,
    spans.first_period_start,
    spans.last_period_start,
    md5(concat_ws(
        '|', latest.measure_name, latest.period_grain, latest.value_type, latest.is_year_to_date,
        latest.desired_direction, coalesce(latest.period_threshold::text, '-'),
        coalesce(latest.year_threshold::text, '-'), coalesce(latest.target_threshold::text, '-')
    )) as definition_hash,
    latest._file_id,
    latest._night
from latest
inner join spans
    on latest.measure_id = spans.measure_id
left join targeted
    on latest.measure_id = targeted.measure_id
