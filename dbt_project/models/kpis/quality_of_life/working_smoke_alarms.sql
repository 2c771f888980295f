-- Of the fires where the presence and the operation of a smoke alarm are known, the share where one was there and
-- sounded. In the province's form 1 is no alarm, 2 an alarm that operated, 3 one that did not. A fire's ward is a
-- number: that of one of the 44 former wards until November 2018.
with fires as (
    select
        date_trunc('year', alarmed_at)::date as period_start,
        max(alarmed_at) over ()::date as newest_day,
        {{ ward_of_period('ward_code', "date_trunc('year', alarmed_at)", 'year') }},
        substring(smoke_alarm from '^(\d+)') as alarm_code
    from {{ ref('stg_fire__incidents') }}
)

select
    'QL-FIR-01' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    count(*) filter (where alarm_code = '2')::numeric as numerator,
    count(*)::numeric as denominator
from fires
where alarm_code in ('1', '2', '3') and {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code', model='ward_model') }}
