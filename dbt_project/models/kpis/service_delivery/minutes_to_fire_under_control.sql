-- Median minutes from the alarm until a fire is under control. A few fires burn for days, so a mean would say little;
-- medians of wards do not add up to the city's. A fire's ward is a number: that of one of the
-- 44 former wards until November 2018.
with fires as (
    select
        date_trunc('year', alarmed_at)::date as period_start,
        max(alarmed_at) over ()::date as newest_day,
        {{ ward_of_period('ward_code', "date_trunc('year', alarmed_at)", 'year') }},
        extract(epoch from under_control_at - alarmed_at) / 60 as minutes
    from {{ ref('stg_fire__incidents') }}
)

select
    'SD-FIR-03' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    round((percentile_cont(0.5) within group (order by minutes))::numeric, 6) as numerator,
    null::numeric as denominator
from fires
where minutes >= 0 and {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code', model='ward_model') }}
