-- KPIs whose sources tell the day: the city's figure of each day, counted as the KPI counts its month. CityScore is made of
-- these; the KPIs themselves stay monthly, because a day's figure is mostly chance.
-- Analyzed at once: what stands on it is planned before autovacuum comes by.
{{ config(post_hook="analyze {{ this }}") }}

with subway as (
    select
        delay_date as figure_date,
        sum(delay_minutes) as minutes,
        sum(delayed_incidents) as delayed,
        sum(long_delays) as long_delays
    from {{ ref('int_ttc_subway_delays_daily') }}
    where line_code <> 'OTHER' and incidents > sentinels
    group by delay_date
),

surface as (
    select
        'SD-TTC-03' as kpi_id,
        delay_date,
        delay_minutes,
        delayed_incidents
    from {{ ref('int_ttc_bus_delays_daily') }}
    union all
    select
        'SD-TTC-04' as kpi_id,
        delay_date,
        delay_minutes,
        delayed_incidents
    from {{ ref('int_ttc_streetcar_delays_daily') }}
),

figures as (
    select
        'SD-TTC-01' as kpi_id,
        figure_date,
        minutes::numeric as numerator,
        delayed::numeric as denominator
    from subway
    union all
    select
        'SD-TTC-02' as kpi_id,
        figure_date,
        long_delays::numeric as numerator,
        1::numeric as denominator
    from subway
    union all
    select
        kpi_id,
        delay_date as figure_date,
        sum(delay_minutes)::numeric as numerator,
        sum(delayed_incidents)::numeric as denominator
    from surface
    group by kpi_id, delay_date
    union all
    select
        'SD-SHL-01' as kpi_id,
        called_on as figure_date,
        coalesce(referred_to_space, 0)::numeric as numerator,
        (coalesce(referred_to_space, 0) + coalesce(no_space_family, 0) + coalesce(no_space_individual, 0))::numeric
            as denominator
    from {{ ref('stg_shelter__central_intake_calls') }}
    union all
    select
        'CS-ODP-01' as kpi_id,
        usage_date as figure_date,
        sum(requests)::numeric as numerator,
        1::numeric as denominator
    from {{ ref('stg_open_data__api_usage') }}
    where not is_repeat
    group by usage_date
)

select
    kpi_id,
    figure_date,
    trim_scale(round(numerator / denominator, 12)) as value
from figures
where figure_date is not null and denominator > 0
