-- One row per division, channel and month, each also in all.
select
    division,
    channel,
    month_start,
    items,
    open_items,
    reach
from {{ ref('mart_communication_total') }}
