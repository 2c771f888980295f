-- Every stint as last handed in; one that left the register after it had ended stays, so that failures are not lost.
-- Sixteen weeks are 112 days.
select
    division,
    stint_id,
    challenge,
    team,
    funding_source,
    started_on,
    started_on + 112 as planned_end,
    ended_on,
    coalesce(ended_on, as_of) - started_on as days_run,
    ended_on - started_on - 112 as days_against_plan,
    case
        when ended_on is not null then ended_on <= started_on + 112
        when as_of > started_on + 112 then false
    end as is_within_112_days,
    assessed_on,
    generated_on,
    prototyped_on,
    tested_on,
    case when is_removed then previous_status else status end as stage,
    evidence_metric,
    metric_before,
    metric_after,
    {{ ratio('metric_after - metric_before', 'metric_before') }} as metric_change,
    has_prototype,
    outcome,
    procurement_outcome,
    is_scaled,
    is_removed,
    as_of
from {{ ref('int_innovation_stints_history') }}
where
    is_latest
    and (ended_on is not null or not is_removed)
