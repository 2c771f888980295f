-- Targets run ahead of values, so either side may stand alone; a target of a measure that left the feed is left out.
with measures as (
    select * from {{ ref('stg_dashboard__measures') }}
),

intervals as (
    select distinct
        measure_id,
        interval_type,
        period_grain
    from measures
),

targets as (
    select
        targets.measure_id,
        intervals.period_grain,
        targets.period_year,
        targets.period_number,
        {{ period_start('intervals.interval_type', 'targets.period_year', 'targets.period_number') }} as period_start,
        targets.target,
        targets._file_id,
        targets._night
    from {{ ref('stg_dashboard__targets') }} as targets
    inner join intervals
        on targets.measure_id = intervals.measure_id
),

notes as (
    select
        measure_id,
        period_grain,
        period_start,
        string_agg(note, e'\n' order by paragraph_number) as note
    from {{ ref('stg_dashboard__narratives') }}
    where is_dated
    group by measure_id, period_grain, period_start
),

points as (
    select
        coalesce(measures.measure_id, targets.measure_id) as measure_id,
        coalesce(measures.period_grain, targets.period_grain) as period_grain,
        coalesce(measures.period_start, targets.period_start) as period_start,
        coalesce(measures.period_year, targets.period_year) as period_year,
        coalesce(measures.period_number, targets.period_number) as number_in_feed,
        measures.value,
        targets.target,
        measures.measure_name is not null as is_in_feed,
        coalesce(measures._file_id, targets._file_id) as _file_id,
        coalesce(measures._night, targets._night) as _night
    from measures
    full join targets
        on
            measures.measure_id = targets.measure_id
            and measures.period_grain = targets.period_grain
            and measures.period_start = targets.period_start
)

select
    points.measure_id,
    points.period_grain,
    points.period_start,
    points.period_year,
    case when points.period_grain = 'year' then 1 else points.number_in_feed end as period_number,
    points.value,
    points.target,
    notes.note,
    points.is_in_feed,
    points._file_id,
    points._night
from points
left join notes
    on
        points.measure_id = notes.measure_id
        and points.period_grain = notes.period_grain
        and points.period_start = notes.period_start
