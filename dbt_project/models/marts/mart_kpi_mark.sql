-- Marks of quality on what KPIs are made of: a change has the mark of its newer figure, or else of its older one.
with prices as (
    select
        period_start,
        mark
    from {{ ref('int_economic_context') }}
    where indicator = 'v41690973' and period_grain = 'month'
),

marked as (
    select
        'QL-CPI-01' as kpi_id,
        'country' as geography_type,
        'canada' as geography_code,
        'month' as period_grain,
        latest.period_start,
        coalesce(latest.mark, earlier.mark) as mark
    from prices as latest
    inner join prices as earlier
        on latest.period_start = (earlier.period_start + interval '1 year')::date
)

select * from marked
where mark is not null
