-- Share of the commitments still in the tracker that are met, make progress or are on track, as of the last hand-in of
-- each quarter.
with commitments as (
    select
        date_trunc('quarter', as_of)::date as quarter_start,
        hand_in,
        status
    from {{ ref('int_commitments_history') }}
    where not is_removed
),

last_hand_in as (
    select
        quarter_start,
        max(hand_in) as hand_in
    from commitments
    group by quarter_start
)

select
    'CP-COM-01' as kpi_id,
    commitments.quarter_start as period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where commitments.status in ('completed', 'ongoing_progress', 'on_track'))::numeric as numerator,
    count(*)::numeric as denominator
from commitments
inner join last_hand_in
    on
        commitments.quarter_start = last_hand_in.quarter_start
        and commitments.hand_in = last_hand_in.hand_in
group by commitments.quarter_start
