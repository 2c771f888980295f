-- Nights on which figures changed, and the release in which readers first saw them: the first that was made on the night
-- or later. A night that was held back shows in the release that came after it.
with figures as (
    select
        *,
        min(vintage) over (
            partition by kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start
        ) as first_vintage
    from {{ ref('mart_kpi_value') }}
),

counted as (
    select
        vintage,
        count(*) as figures,
        count(*) filter (where vintage = first_vintage) as figures_new,
        count(*) filter (where vintage > first_vintage and not is_withdrawn) as figures_changed,
        count(*) filter (where is_withdrawn) as figures_withdrawn,
        count(distinct kpi_id) as kpis,
        min(period_start) as earliest_period,
        max(period_start) as latest_period
    from figures
    group by vintage
),

releases as (
    select
        number,
        night
    from {{ source('ops', 'release') }}
    where state in ('released', 'candidate')
)

select
    counted.vintage,
    (
        select min(releases.number) from releases
        where releases.night >= counted.vintage
    ) as release_number,
    counted.figures,
    counted.figures_new,
    counted.figures_changed,
    counted.figures_withdrawn,
    counted.kpis,
    counted.earliest_period,
    counted.latest_period
from counted
