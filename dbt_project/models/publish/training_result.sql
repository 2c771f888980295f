-- One row per division, course and year, each also in all. The mean score of fewer than 11 people is not published.
select
    division,
    course,
    held_year,
    runs,
    sessions,
    invited,
    attended,
    attendance_share,
    completed,
    completion_share,
    tested,
    case when tested >= 11 then pre_score end as pre_score,
    case when tested >= 11 then post_score end as post_score,
    case when tested >= 11 then score_gain end as score_gain
from {{ ref('mart_training_total') }}
