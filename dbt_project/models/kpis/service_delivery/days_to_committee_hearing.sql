-- Median days from an application to the Committee of Adjustment until its hearing, by the quarter of the hearing. The
-- file holds closed applications, so a quarter goes on filling for a while; medians of wards do not add up to the city's.
with applications as (
    select
        date_trunc('quarter', found.heard_on)::date as period_start,
        min(found.closed_on) over () as first_day,
        max(found.closed_on) over () as newest_day,
        {{ ward_by_name('found.ward_code', "date_trunc('quarter', found.heard_on)", 'quarter') }},
        found.heard_on - found.received_on as days
    from {{ ref('stg_city_planning__committee_of_adjustment') }} as found
    left join {{ ref('wards_25') }} as wards_25
        on {{ ward_is('wards_25', 'found.ward_code', 'found.ward_name') }}
    left join {{ ref('wards_44') }} as wards_44
        on {{ ward_is('wards_44', 'found.ward_code', 'found.ward_name') }}
    where not found.is_repeat and found.received_on <= found.heard_on
)

select
    'SD-PLN-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    (percentile_cont(0.5) within group (order by days))::numeric as numerator,
    null::numeric as denominator
from applications
where
    period_start >= date_trunc('quarter', first_day)
    and {{ is_complete_period('quarter', 'period_start', 'newest_day') }}
{{ areas_and_city('ward_code', model='ward_model') }}
