-- Share of the major crime events that happened outdoors. The file has a row per offence and victim, so events are
-- counted once, in the year of the report; those without a known neighbourhood count for the city only.
with events as (
    select
        date_trunc('year', reported_on)::date as period_start,
        max(reported_on) over () as newest_day,
        neighbourhood_158_code,
        premises_type
    from {{ ref('stg_tps__major_crimes') }}
    where not is_repeat
)

select
    'NB-CRM-04' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('neighbourhood_158', 'neighbourhood_158_code') }},
    count(*) filter (where premises_type = 'Outside')::numeric as numerator,
    count(*)::numeric as denominator
from events
where premises_type is not null and {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('neighbourhood_158_code') }}
