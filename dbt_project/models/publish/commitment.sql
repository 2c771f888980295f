-- One row per commitment.
select
    commitment_id,
    goal,
    priority,
    commitment,
    division,
    due_date,
    status,
    status_label,
    previous_status,
    is_removed,
    first_as_of,
    as_of,
    is_overdue,
    hand_ins,
    status_changes,
    postponements,
    comment
from {{ ref('mart_commitment') }}
