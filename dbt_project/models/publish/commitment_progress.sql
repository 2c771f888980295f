-- One row per division, hand-in and status, also in all.
select
    division,
    hand_in,
    as_of,
    status,
    commitments,
    share,
    previous_commitments,
    previous_share,
    change_points,
    moved_in,
    moved_out
from {{ ref('mart_commitment_progress') }}
