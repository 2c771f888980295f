with items as (
    select
        *,
        date_trunc('month', published_on)::date as month_start
    from {{ ref('int_communications_history') }}
    where
        is_latest
        and not is_removed
)

select
    {{ or_all('division', 'All divisions') }} as division,
    {{ or_all('channel', 'All channels') }} as channel,
    month_start,
    count(*) as items,
    count(*) filter (where is_open) as open_items,
    coalesce(sum(reach), 0) as reach
from items
group by grouping sets (
    (division, channel, month_start), (channel, month_start), (division, month_start), (month_start)
)
