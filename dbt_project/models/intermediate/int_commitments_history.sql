-- A commitment that is in one hand-in and not in the next was removed by it: the row that says so is made here, once,
-- and the commitment stays in every later list. One file speaks for all divisions.
with history as (
    {{
        register_history(
            ref('stg_strategy__commitments'),
            key=['commitment_id'],
            columns=['goal', 'priority', 'commitment', 'due_date', 'status_label', 'comment'],
            watched=['due_date'],
            by_division=false,
        )
    }}
)

select
    commitment_id,
    hand_in,
    as_of,
    goal,
    priority,
    commitment,
    division,
    due_date,
    status,
    case when is_removed then 'Removed from the tracker' else status_label end as status_label,
    previous_status,
    is_removed,
    is_changed,
    is_latest,
    first_as_of,
    case when not is_removed then comment end as comment,
    valid_from,
    valid_to,
    _file_id,
    _night
from history
