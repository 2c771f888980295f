-- Of those who may use the solutions that projects put in place, the share who did so in the month. Fewer
-- than 11 are not shown.
with months as (
    select
        *,
        max(as_of) over () as newest_day
    from {{ ref('int_adoption_history') }}
    where is_latest
)

select
    'CS-ADO-01' as kpi_id,
    date_trunc('month', month)::date as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(active_users)::numeric as numerator,
    sum(users)::numeric as denominator
from months
where
    active_users is not null
    and {{ is_complete_month("date_trunc('month', month)", 'newest_day') }}
group by 2
having sum(active_users) >= 11
