-- One row per division, method and month, each also in all. Fewer than 11 people are hidden, and so is the mean of fewer
-- than 30 answers, as with surveys; each with what would tell it.
select
    figures.division,
    figures.method,
    figures.month_start,
    figures.activities,
    {{ disclosed_count('participants') }},
    figures.reach,
    {{ disclosed_count('contacts') }},
    figures.cost,
    {{ disclosed('cost_per_participant') }},
    {{ disclosed_count('satisfaction_answers') }},
    {{ disclosed('satisfaction') }},
    figures.with_decision,
    {{ is_suppressed() }}
from {{ ref('mart_engagement_total') }} as figures
left join {{ ref('mart_disclosure') }} as disclosure
    on {{ disclosure_key('engagement', ['division', 'method', 'month_start']) }}
