-- One row per division, course and year, each also in all. Fewer than 11 people are hidden, with what would tell them.
select
    figures.division,
    figures.course,
    figures.held_year,
    figures.runs,
    figures.sessions,
    {{ disclosed_count('invited') }},
    {{ disclosed_count('attended') }},
    {{ disclosed('attendance_share') }},
    {{ disclosed_count('completed') }},
    {{ disclosed('completion_share') }},
    {{ disclosed_count('tested') }},
    {{ disclosed('pre_score') }},
    {{ disclosed('post_score') }},
    {{ disclosed('score_gain') }},
    {{ is_suppressed() }}
from {{ ref('mart_training_total') }} as figures
left join {{ ref('mart_disclosure') }} as disclosure
    on {{ disclosure_key('training_result', ['division', 'course', 'held_year']) }}
