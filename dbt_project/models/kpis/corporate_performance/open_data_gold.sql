-- Share of the catalogue's resources with the grade Gold, each by its last score of the quarter.
with scores as (
    select
        *,
        date_trunc('quarter', recorded_at at time zone 'America/Toronto')::date as period_start,
        max((recorded_at at time zone 'America/Toronto')::date) over () as newest_day
    from {{ ref('stg_open_data__quality_scores') }}
    where grade is not null
),

last_scores as (
    select distinct on (package, resource, period_start)
        period_start,
        newest_day,
        grade
    from scores
    order by package, resource, period_start, recorded_at desc
)

select
    'CP-ODC-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where grade = 'Gold')::numeric as numerator,
    count(*)::numeric as denominator
from last_scores
where {{ is_complete_period('quarter', 'period_start', 'newest_day') }}
group by period_start
