-- One row per division and month, also in all. Totals of all solutions: single ones have few users.
select
    division,
    month,
    solutions,
    users,
    active_users,
    active_share,
    sessions,
    sessions_per_active_user,
    growth_month,
    growth_year
from {{ ref('mart_adoption') }}
where solution = 'All solutions'
