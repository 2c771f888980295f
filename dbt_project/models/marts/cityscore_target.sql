-- What each entry of CityScore is held against: the target that is set, else one from the KPI's own past as it was known
-- at that entry.
with entries as (
    select * from {{ ref('cityscore_entry') }}
),

windowed as (
    select
        *,
        count(*) over so_far as entries,
        avg(value) over so_far as mean,
        stddev_pop(value) over so_far as deviation,
        case period_grain
            when 'day' then avg(value) over days_of_a_year_ago
            else avg(value) over months_of_a_year_ago
        end as same_season,
        count(*) over so_far > case period_grain when 'day' then 365 else 12 end as has_a_year
    from entries
    window
        by_place as (partition by kpi_id order by place),
        so_far as (by_place rows unbounded preceding),
        days_of_a_year_ago as (by_place range between 454 preceding and 365 preceding),
        months_of_a_year_ago as (by_place range between 14 preceding and 12 preceding)
),

targeted as (
    select
        *,
        case
            when set_target = 0 then 1
            when set_target is not null then set_target
            else
                {{
                    cityscore_historic_target(
                        'direction', 'mean', 'deviation', 'entries', 'is_trend', 'same_season', 'has_a_year'
                    )
                }}
        end as target
    from windowed
)

select
    kpi_id,
    period_grain,
    period_start,
    place,
    direction,
    is_trend,
    value,
    entries::integer as entries,
    trim_scale(round(target, 10)) as target,
    case
        when target is null then 'none'
        when set_target is not null then 'set'
        else 'historic'
    end as target_kind
from targeted
