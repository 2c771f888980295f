-- Of the minor variances that the Committee of Adjustment granted or refused in a year, the share that it refused.
-- Deferred and withdrawn ones are in neither; consents to divide land are another matter.
with decisions as (
    select
        date_trunc('year', found.heard_on)::date as period_start,
        min(found.closed_on) over () as first_day,
        max(found.closed_on) over () as newest_day,
        {{ ward_by_name('found.ward_code', "date_trunc('year', found.heard_on)", 'year') }},
        found.decision
    from {{ ref('stg_city_planning__committee_of_adjustment') }} as found
    left join {{ ref('wards_25') }} as wards_25
        on {{ ward_is('wards_25', 'found.ward_code', 'found.ward_name') }}
    left join {{ ref('wards_44') }} as wards_44
        on {{ ward_is('wards_44', 'found.ward_code', 'found.ward_name') }}
    where not found.is_repeat and found.application_type = 'MV'
)

select
    'NB-PLN-02' as kpi_id,
    period_start,
    'year' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    count(*) filter (where decision ~* '^refus')::numeric as numerator,
    count(*)::numeric as denominator
from decisions
where
    decision ~* '^(refus|approv|conditional)'
    and period_start >= date_trunc('year', first_day)
    and {{ is_complete_period('year', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code', model='ward_model') }}
