-- Each request as last stated, also after it left the register.
with latest as (
    select
        history.*,
        case when is_removed then previous_status else status end as stated_status,
        min(valid_from) over (partition by division) as first_day,
        max(valid_from) over (partition by division) as last_day
    from {{ ref('int_requests_history') }} as history
)

select
    division,
    request_id,
    request_type,
    requester,
    received_on,
    due_on,
    answered_on,
    stated_status as status,
    is_removed,
    first_day,
    last_day,
    answered_on - received_on as response_days,
    coalesce(answered_on <= due_on, false) as is_within_standard,
    answered_on is null and stated_status <> 'withdrawn' and not is_removed as is_open,
    answered_on is null and stated_status <> 'withdrawn' and not is_removed and due_on < last_day as is_overdue
from latest
where is_latest
