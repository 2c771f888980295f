-- A commitment that is in one hand-in and not in the next was removed by it: the row that says so is made here, once,
-- and the commitment stays in every later list.
with handed_in as (
    select * from {{ ref('stg_strategy__commitments') }}
),

hand_ins as (
    select
        hand_in,
        max(as_of) as as_of,
        max(_file_id) as _file_id,
        max(_night) as _night
    from handed_in
    group by hand_in
),

removals as (
    select
        handed_in.commitment_id,
        hand_ins.hand_in,
        hand_ins.as_of,
        handed_in.goal,
        handed_in.priority,
        handed_in.commitment,
        handed_in.division,
        handed_in.due_date,
        hand_ins._file_id,
        hand_ins._night
    from handed_in
    inner join hand_ins
        on handed_in.hand_in + 1 = hand_ins.hand_in
    left join handed_in as still_there
        on
            handed_in.commitment_id = still_there.commitment_id
            and hand_ins.hand_in = still_there.hand_in
    where still_there.commitment_id is null
),

states as (
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
        status_label,
        false as is_removed,
        comment,
        _file_id,
        _night
    from handed_in
    union all
    select
        commitment_id,
        hand_in,
        as_of,
        goal,
        priority,
        commitment,
        division,
        due_date,
        'removed' as status,
        'Removed from the tracker' as status_label,
        true as is_removed,
        null as comment,
        _file_id,
        _night
    from removals
),

ordered as (
    select
        states.*,
        lag(status) over by_hand_in as previous_status,
        lag(due_date) over by_hand_in as previous_due_date,
        lead(hand_in) over by_hand_in is null as is_latest,
        first_value(as_of) over by_hand_in as first_as_of
    from states
    window by_hand_in as (partition by commitment_id order by hand_in)
)

select
    ordered.commitment_id,
    ordered.hand_in,
    ordered.as_of,
    ordered.goal,
    ordered.priority,
    ordered.commitment,
    coalesce(organisation.division_name, ordered.division) as division,
    ordered.due_date,
    ordered.status,
    ordered.status_label,
    ordered.previous_status,
    ordered.is_removed,
    ordered.previous_status is not null
    and (
        ordered.status <> ordered.previous_status
        or ordered.due_date is distinct from ordered.previous_due_date
    ) as is_changed,
    ordered.is_latest,
    ordered.first_as_of,
    ordered.comment,
    ordered._file_id,
    ordered._night
from ordered
left join {{ ref('int_organisation') }} as organisation
    on {{ organisation_key('ordered.division') }} = organisation.name_key
