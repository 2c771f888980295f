-- Score is likelihood times impact, 1 to 25. A trend compares with the score at the hand-in before.
with scored as (
    select
        *,
        likelihood * impact as score,
        lag(likelihood * impact) over (partition by division, risk_id order by hand_in) as previous_score
    from {{ ref('int_risk_register_history') }}
)

select
    division,
    risk_id,
    risk,
    category,
    likelihood,
    impact,
    score,
    {{ risk_level('score') }} as level,
    previous_score,
    case
        when is_removed then 'removed'
        when previous_score is null then 'new'
        when score > previous_score then 'rising'
        when score < previous_score then 'falling'
        else 'stable'
    end as trend,
    owner_role,
    treatment,
    treatment_plan,
    treatment_due,
    coalesce(treatment_due < as_of and status not in ('closed', 'removed'), false) as is_treatment_overdue,
    status,
    is_removed,
    as_of
from scored
where is_latest
