-- One row per division, type of request and quarter due, each also in all.
select
    division,
    request_type,
    quarter_due,
    requests,
    answered,
    within_standard,
    open,
    overdue,
    judged,
    within_share,
    median_days,
    p90_days,
    as_of
from {{ ref('mart_request_response') }}
