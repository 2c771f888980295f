-- Every hand-in stays: what a division said in spring is not overwritten by what it says in autumn. A commitment that
-- a workbook lists twice counts once, by its last row. Hand-ins stand in the order of the day that they reflect, so a
-- backlog dropped on one night, or a late correction, falls into its place.
with dated as (
    select
        handed_in.*,
        max(as_of) over (partition by _file_id, _night) as file_as_of
    from {{ source('raw', 'commitments') }} as handed_in
),

source as (
    select
        dated.*,
        dense_rank() over (order by file_as_of, _night, _file_id)::integer as hand_in,
        row_number() over (partition by _file_id, _night, commitment_id order by _row desc) as row_rank
    from dated
)

select
    btrim(commitment_id) as commitment_id,
    {{ clean_text('goal') }} as goal,
    {{ clean_text('priority') }} as priority,
    {{ clean_text('commitment') }} as commitment,
    {{ clean_text('division') }} as division,
    due_date::date as due_date,
    case
        when status ilike 'completed%' then 'completed'
        when status ilike 'actions taken%' then 'ongoing_progress'
        when status ilike '%challenges%' then 'challenges'
        when status ilike 'underway%' then 'on_track'
        when status ilike 'not being pursued%' then 'not_pursued'
    end as status,
    {{ clean_text('status') }} as status_label,
    as_of::date as as_of,
    {{ clean_text('comment') }} as comment,
    hand_in,
    hand_in = max(hand_in) over () as is_current_hand_in,
    _file_id,
    _row,
    _night
from source
where row_rank = 1
