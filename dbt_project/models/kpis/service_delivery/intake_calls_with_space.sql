-- Of the calls to Central Intake that asked for a place to sleep and were given one or could not be, the share that was
-- given one. Callers who declined every place are in neither.
with calls as (
    select
        date_trunc('month', called_on)::date as month_start,
        max(called_on) over () as newest_day,
        coalesce(referred_to_space, 0) as referred,
        coalesce(no_space_family, 0) + coalesce(no_space_individual, 0) as not_matched
    from {{ ref('stg_shelter__central_intake_calls') }}
)

select
    'SD-SHL-01' as kpi_id,
    month_start as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(referred)::numeric as numerator,
    sum(referred + not_matched)::numeric as denominator
from calls
where {{ is_complete_month('month_start', 'newest_day') }}
group by month_start
having sum(referred + not_matched) > 0 and count(*) = extract(day from month_start + interval '1 month' - interval '1 day')
