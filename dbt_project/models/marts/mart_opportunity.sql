with opportunities as (
    select
        *,
        reach_score * impact_score * amenability_score as score
    from {{ ref('int_opportunities_history') }}
    where is_latest
)

select
    division,
    opportunity_id,
    opportunity,
    proposed_by,
    proposed_on,
    reach_score,
    impact_score,
    amenability_score,
    score,
    case
        when status in ('new', 'under_review')
            then
                rank() over (
                    partition by division, status in ('new', 'under_review')
                    order by score desc
                )::integer
    end as rank_among_open,
    status as decision,
    decided_on,
    decided_on - proposed_on as days_to_decision,
    reason,
    is_removed,
    as_of
from opportunities
