-- How fast requests are answered against their standard, by the quarter in which an answer was due.
with requests as (
    select
        *,
        date_trunc('quarter', due_on)::date as quarter_due
    from {{ ref('int_request_results') }}
    where status <> 'withdrawn'
)

select
    case when grouping(division) = 1 then 'All divisions' else division end as division,
    case when grouping(request_type) = 1 then 'All types' else request_type end as request_type,
    quarter_due,
    count(*)::integer as requests,
    count(answered_on)::integer as answered,
    count(*) filter (where is_within_standard)::integer as within_standard,
    count(*) filter (where is_open)::integer as open,
    count(*) filter (where is_overdue)::integer as overdue,
    count(*) filter (where due_on <= last_day or answered_on is not null)::integer as judged,
    {{
        ratio(
            'count(*) filter (where is_within_standard)',
            'count(*) filter (where due_on <= last_day or answered_on is not null)',
        )
    }} as within_share,
    {{ quantile('response_days', 0.5) }} as median_days,
    {{ quantile('response_days', 0.9) }} as p90_days,
    max(last_day) as as_of
from requests
group by grouping sets (
    (division, request_type, quarter_due), (division, quarter_due), (request_type, quarter_due), (quarter_due)
)
