-- Action items on each day that a hand-in reflects, as far as their divisions had handed in by then.
with states as (
    {{ register_states(ref('int_action_items_history')) }}
)

select
    division,
    action_id,
    owner_role,
    day,
    status,
    raised_on,
    due_date,
    done_on,
    status in ('open', 'in_progress') as is_open,
    status in ('open', 'in_progress') and due_date < day as is_overdue,
    case when status in ('open', 'in_progress') then day - raised_on end as age_days,
    case when status in ('open', 'in_progress') and due_date < day then day - due_date end as overdue_days
from states
