-- The file's own total is not data, but the lines must add up to it, and each is an expense or a revenue.
with lines as (
    select
        _file_id,
        sum(amount) as total,
        count(*) filter (where flow is null) as neither
    from {{ ref('stg_finance__operating_budget') }}
    group by _file_id
)

select
    lines._file_id,
    lines.total,
    batch.control_total,
    lines.neither
from lines
left join {{ source('ops', 'batch') }} as batch
    on
        lines._file_id = batch.file_id
        and batch.dataset = 'operating_budget'
        and batch.state = 'loaded'
where
    abs(lines.total - batch.control_total) > 0.01
    or lines.neither > 0
