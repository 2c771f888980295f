with source as (
    {{ register_rows('proofs_of_concept', ['poc_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(poc_id) as poc_id,
    {{ clean_text('poc') }} as poc,
    {{ clean_text('hypothesis') }} as hypothesis,
    {{ clean_text('metric') }} as metric,
    {{ clean_text('unit') }} as unit,
    btrim(direction) as direction,
    target::numeric as target,
    result::numeric as result,
    started_on::date as started_on,
    ended_on::date as ended_on,
    {{ label_code('status') }} as status,
    btrim(decision) as decision,
    {{ clean_text('reason') }} as reason,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
