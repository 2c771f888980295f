with source as (
    {{ register_rows('partnerships', ['partnership_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(partnership_id) as partnership_id,
    {{ clean_text('partner') }} as partner,
    btrim(kind) as kind,
    {{ clean_text('purpose') }} as purpose,
    started_on::date as started_on,
    ends_on::date as ends_on,
    {{ to_money('contribution') }} as contribution,
    {{ clean_text('funding_source') }} as funding_source,
    solutions_reused::integer as solutions_reused,
    divisions_coached::integer as divisions_coached,
    recruits::integer as recruits,
    {{ label_code('status') }} as status,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
