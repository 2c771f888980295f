-- One row per division, method and month, each also in all. The mean of fewer than 30 answers is not published, as with
-- surveys.
select
    division,
    method,
    month_start,
    activities,
    participants,
    reach,
    contacts,
    cost,
    cost_per_participant,
    satisfaction_answers,
    case when satisfaction_answers >= 30 then satisfaction end as satisfaction,
    with_decision
from {{ ref('mart_engagement_total') }}
