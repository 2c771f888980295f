-- Recommendations as they were known at the end of each quarter. One that was taken out of the register unfinished, or is
-- no longer relevant, is not in it; one that was implemented stays.
with history as (
    select * from {{ ref('int_audit_recommendations_history') }}
),

quarters as (
    {{ register_quarters('history') }}
)

select
    quarters.quarter_start,
    quarters.quarter_end,
    history.division,
    history.recommendation_id,
    history.due_date,
    coalesce(history.revised_due_date, history.due_date) as due_date_in_force,
    history.implemented_on,
    history.status in ('not_started', 'in_progress') as is_open,
    quarters.quarter_end - coalesce(history.revised_due_date, history.due_date) as days_past_due
from quarters
inner join history
    on
        quarters.quarter_end >= history.valid_from
        and quarters.quarter_end < history.valid_to
where
    history.implemented_on is not null
    or history.status not in ('no_longer_relevant', 'removed')
