-- One row per division and day that a hand-in reflects, also in all. Counts only: what the items say stays inside.
select
    division,
    as_of,
    items,
    open,
    overdue,
    overdue_to_30_days,
    overdue_31_to_90_days,
    overdue_over_90_days,
    overdue_share,
    median_age_days,
    oldest_days,
    done,
    done_in_time_share
from {{ ref('mart_action_item_ageing') }}
