select
    publisher,
    report_card,
    edition,
    edition_year,
    indicator,
    toronto_value,
    unit,
    rank,
    peers,
    case
        when rank is null or coalesce(peers, 0) < 1 then null
        else (array['top', 'upper', 'lower', 'bottom'])[ceil(least(rank, peers) * 4.0 / peers)::integer]
    end as standing,
    grade,
    best_value,
    median_value,
    direction,
    case direction
        when 'up' then toronto_value > median_value
        when 'down' then toronto_value < median_value
    end as is_better_than_median,
    method_note,
    toronto_perspective,
    url,
    retrieved_on,
    row_number() over (
        partition by publisher, report_card, indicator
        order by edition_year desc nulls last, retrieved_on desc nulls last, edition desc
    ) = 1 as is_latest_edition,
    _file_id
from {{ ref('stg_external__report_cards') }}
