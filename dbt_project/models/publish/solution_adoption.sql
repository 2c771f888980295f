-- One row per division and month, also in all. Totals of all solutions: single ones have few users. Fewer than 11 users are
-- hidden, with what would tell them.
select
    figures.division,
    figures.month,
    figures.solutions,
    {{ disclosed_count('users', 'integer') }},
    {{ disclosed_count('active_users', 'integer') }},
    {{ disclosed('active_share') }},
    figures.sessions,
    {{ disclosed('sessions_per_active_user') }},
    {{ disclosed('growth_month') }},
    {{ disclosed('growth_year') }},
    {{ is_suppressed() }}
from {{ ref('mart_adoption') }} as figures
left join {{ ref('mart_disclosure') }} as disclosure
    on {{ disclosure_key('solution_adoption', ['division', 'month']) }}
where figures.solution = 'All solutions'
