with source as (
    {{ register_rows('plan_indicators', ['indicator_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(indicator_id) as indicator_id,
    btrim(work_plan_id) as work_plan_id,
    {{ clean_text('indicator') }} as indicator,
    btrim(level) as level,
    {{ clean_text('unit') }} as unit,
    btrim(direction) as direction,
    baseline::numeric as baseline,
    target::numeric as target,
    actual::numeric as actual,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
