-- One row per division, and all of them: what became of proofs of concept, the failed ones too.
select
    division,
    proofs,
    under_way,
    scaled,
    extended,
    stopped,
    abandoned,
    undecided,
    target_met,
    target_missed,
    scaled_below_target,
    scaled_share,
    median_days
from {{ ref('mart_poc_outcome') }}
