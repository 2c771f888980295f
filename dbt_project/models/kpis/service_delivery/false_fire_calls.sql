-- Share of the calls that turned out to be no emergency: the provincial incident types 31 to 39 (alarms by fault, by
-- accident, by malice, in good faith).
with calls as (
    select
        date_trunc('year', alarmed_at)::date as period_start,
        max(alarmed_at) over ()::date as newest_day,
        {{ ward_of_period('ward_code', "date_trunc('year', alarmed_at)", 'year') }},
        final_incident_type
    from {{ ref('stg_fire__emergency_incidents') }}
)

select
    'SD-FIR-02' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    count(*) filter (where final_incident_type ~ '^3[1-9]\M')::numeric as numerator,
    count(*)::numeric as denominator
from calls
where final_incident_type is not null and {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code', model='ward_model') }}
