with source as (
    {{ current_delivery('external_report_cards', ['publisher', 'edition', 'indicator']) }}
)

select
    publisher,
    report_card,
    edition,
    substring(edition from '((?:19|20)\d{2})')::integer as edition_year,
    indicator,
    toronto_value::numeric as toronto_value,
    unit,
    rank::integer as rank,
    peers::integer as peers,
    grade,
    best_value::numeric as best_value,
    median_value::numeric as median_value,
    coalesce(lower(btrim(direction)), 'none') as direction,
    {{ clean_text('method_note') }} as method_note,
    {{ clean_text('toronto_perspective') }} as toronto_perspective,
    url,
    retrieved_on::date as retrieved_on,
    _file_id,
    _row,
    _night
from source
