-- Each proof of concept as last known: what was aimed at, what came out and what was decided.
with latest as (
    select
        history.*,
        case when is_removed then previous_status else status end as stated_status
    from {{ ref('int_proofs_of_concept_history') }} as history
    where is_latest
)

select
    division,
    poc_id,
    poc,
    hypothesis,
    metric,
    unit,
    target,
    result,
    case direction when 'Lower' then result <= target when 'Higher' then result >= target end as is_target_met,
    stated_status as status,
    decision,
    case
        when stated_status = 'abandoned' then 'abandoned'
        when decision = 'Scale' then 'scaled'
        when decision = 'Extend' then 'extended'
        when decision = 'Stop' then 'stopped'
        when stated_status = 'evaluated' then 'undecided'
        else stated_status
    end as outcome,
    reason,
    started_on,
    ended_on,
    ended_on - started_on as days,
    is_removed,
    as_of
from latest
