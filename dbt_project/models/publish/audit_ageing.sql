-- One row per division and quarter, also in all.
select
    division,
    quarter_start,
    recommendations,
    open_recommendations,
    not_due,
    past_due_0_30,
    past_due_31_90,
    past_due_91_365,
    past_due_over_365,
    fallen_due,
    implemented_on_time,
    on_time_share
from {{ ref('mart_audit_ageing') }}
