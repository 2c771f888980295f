with source as (
    {{ register_rows('innovation_stints', ['stint_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(stint_id) as stint_id,
    {{ clean_text('challenge') }} as challenge,
    {{ clean_text('team') }} as team,
    {{ clean_text('funding_source') }} as funding_source,
    started_on::date as started_on,
    assessed_on::date as assessed_on,
    generated_on::date as generated_on,
    prototyped_on::date as prototyped_on,
    tested_on::date as tested_on,
    ended_on::date as ended_on,
    {{ clean_text('evidence_metric') }} as evidence_metric,
    metric_before::numeric as metric_before,
    metric_after::numeric as metric_after,
    {{ is_yes('has_prototype') }} as has_prototype,
    btrim(outcome) as outcome,
    btrim(procurement_outcome) as procurement_outcome,
    {{ is_yes('is_scaled') }} as is_scaled,
    {{ label_code('status') }} as status,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
