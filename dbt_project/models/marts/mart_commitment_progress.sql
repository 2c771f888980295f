-- Commitments by status at each hand-in of the tracker, and how that moved since the one before.
with history as (
    select * from {{ ref('int_commitments_history') }}
),

counted as (
    select
        case when grouping(division) = 1 then 'All divisions' else division end as division,
        hand_in,
        status,
        count(*) as commitments,
        count(*) filter (where previous_status <> status) as moved_in
    from history
    group by grouping sets ((division, hand_in, status), (hand_in, status))
),

left_behind as (
    select
        case when grouping(division) = 1 then 'All divisions' else division end as division,
        hand_in,
        previous_status as status,
        count(*) as moved_out
    from history
    where previous_status <> status
    group by grouping sets ((division, hand_in, previous_status), (hand_in, previous_status))
),

hand_ins as (
    select
        hand_in,
        max(as_of) as as_of
    from history
    group by hand_in
),

divisions as (
    select distinct division from counted
),

statuses as (
    select unnest(
        array['completed', 'ongoing_progress', 'on_track', 'challenges', 'not_pursued', 'removed']
    ) as status
),

cells as (
    select
        divisions.division,
        hand_ins.hand_in,
        hand_ins.as_of,
        statuses.status,
        coalesce(counted.commitments, 0) as commitments,
        coalesce(counted.moved_in, 0) as moved_in,
        coalesce(left_behind.moved_out, 0) as moved_out
    from divisions
    cross join hand_ins
    cross join statuses
    left join counted
        on
            divisions.division = counted.division
            and hand_ins.hand_in = counted.hand_in
            and statuses.status = counted.status
    left join left_behind
        on
            divisions.division = left_behind.division
            and hand_ins.hand_in = left_behind.hand_in
            and statuses.status = left_behind.status
),

shares as (
    select
        cells.*,
        {{
            ratio(
                'commitments', "sum(commitments) filter (where status <> 'removed') over (partition by division, hand_in)"
            )
        }} as share_of_listed
    from cells
),

judged as (
    select
        shares.*,
        case when status <> 'removed' then share_of_listed end as share
    from shares
)

select
    division,
    hand_in,
    as_of,
    status,
    commitments::integer as commitments,
    share,
    lag(commitments::integer) over by_hand_in as previous_commitments,
    lag(share) over by_hand_in as previous_share,
    trim_scale(100 * (share - lag(share) over by_hand_in)) as change_points,
    moved_in::integer as moved_in,
    moved_out::integer as moved_out
from judged
window by_hand_in as (partition by division, status order by hand_in)
