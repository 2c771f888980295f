-- Median days from application to permit, by the quarter of the permit. A permit moves from the open file to the cleared
-- one and may stand in both for a night; revisions of a permit are left out. What was issued before the cleared file
-- begins is known in part only. A permit's ward is a number: that of one of the 44 former wards until November 2018.
-- Medians of wards do not add up to the city's.
with cleared as (
    select
        permit_num,
        ward_code,
        applied_on,
        issued_on,
        min(completed_on) over () as first_day
    from {{ ref('stg_building__cleared_permits') }}
    where revision_num = '00'
),

permits as (
    select
        permit_num,
        ward_code,
        applied_on,
        issued_on
    from cleared
    union
    select
        permit_num,
        ward_code,
        applied_on,
        issued_on
    from {{ ref('stg_building__active_permits') }}
    where revision_num = '00'
),

issued as (
    select
        date_trunc('quarter', issued_on)::date as period_start,
        max(issued_on) over () as newest_day,
        {{ ward_of_period('ward_code', "date_trunc('quarter', issued_on)", 'quarter') }},
        issued_on - applied_on as days
    from permits
)

select
    'SD-BLD-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    {{ areas('ward', 'ward_code', model='ward_model') }},
    (percentile_cont(0.5) within group (order by days))::numeric as numerator,
    null::numeric as denominator
from issued
where
    days >= 0
    and {{ is_complete_period('quarter', 'period_start', 'newest_day') }}
    and period_start >= (select date_trunc('quarter', min(cleared.first_day)) from cleared)
{{ areas_and_city('ward_code', model='ward_model') }}
