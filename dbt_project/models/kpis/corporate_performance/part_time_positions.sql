-- Share of the positions in place on the last day of a year that are less than full-time. The register keeps positions
-- that were closed, so past years can be counted; only years that it had wholly seen are.
with positions as (
    select
        *,
        (max(updated_at) over ())::date as newest_day
    from {{ ref('stg_people__workforce_positions') }}
),

years as (
    select
        period_start,
        period_end
    from {{ ref('int_periods') }}
    where period_grain = 'year'
)

select
    'CP-HRS-03' as kpi_id,
    years.period_start,
    'year' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where positions.fte < 1)::numeric as numerator,
    count(*)::numeric as denominator
from years
inner join positions
    on
        years.period_end <= positions.newest_day
        and years.period_end >= positions.hired_on
        and (positions.ended_on is null or years.period_end < positions.ended_on)
group by years.period_start
