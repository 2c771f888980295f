with source as (
    {{ register_rows('opportunities', ['opportunity_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(opportunity_id) as opportunity_id,
    {{ clean_text('opportunity') }} as opportunity,
    {{ clean_text('proposed_by') }} as proposed_by,
    proposed_on::date as proposed_on,
    reach_score::integer as reach_score,
    impact_score::integer as impact_score,
    amenability_score::integer as amenability_score,
    {{ label_code('decision') }} as status,
    decided_on::date as decided_on,
    {{ clean_text('reason') }} as reason,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
