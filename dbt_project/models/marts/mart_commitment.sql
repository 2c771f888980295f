-- Each commitment as last known, with what became of it from hand-in to hand-in. One that left the tracker stays, marked
-- as removed, with the status it had.
with history as (
    select
        *,
        lag(due_date) over (partition by commitment_id order by hand_in) as earlier_due_date
    from {{ ref('int_commitments_history') }}
),

counted as (
    select
        commitment_id,
        count(*) filter (where not is_removed) as hand_ins,
        count(*) filter (where previous_status is not null and status <> previous_status and not is_removed)
            as status_changes,
        count(*) filter (where due_date > earlier_due_date) as postponements
    from history
    group by commitment_id
),

latest as (
    select * from history
    where is_latest
)

select
    latest.commitment_id,
    latest.goal,
    latest.priority,
    latest.commitment,
    latest.division,
    latest.due_date,
    latest.status,
    latest.status_label,
    latest.previous_status,
    latest.is_removed,
    latest.first_as_of,
    latest.as_of,
    -- Overdue as of the hand-in, not as of today.
    coalesce(
        latest.due_date < latest.as_of and latest.status not in ('completed', 'not_pursued', 'removed'), false
    ) as is_overdue,
    counted.hand_ins::integer as hand_ins,
    counted.status_changes::integer as status_changes,
    counted.postponements::integer as postponements,
    latest.comment
from latest
inner join counted on latest.commitment_id = counted.commitment_id
