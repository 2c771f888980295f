-- How a dimension stands: its KPIs by status for each kind of comparison, at the widest area each is computed for, and
-- how many targets are met. The kind 'headline' takes each KPI's headline comparison.
with kpis as (
    select * from {{ ref('mart_kpi') }}
),

comparisons as (
    select * from {{ ref('mart_kpi_comparison') }}
    where geography_type in ('city', 'country')
),

by_kind as (
    select
        kpi_id,
        comparison,
        status,
        is_target_met
    from comparisons
    union all
    select
        kpi_id,
        'headline' as comparison,
        status,
        null::boolean as is_target_met
    from comparisons
    where is_headline
),

targets as (
    select
        kpis.dimension,
        count(*) as targets_set,
        count(*) filter (where comparisons.is_target_met) as targets_met
    from comparisons
    inner join kpis on comparisons.kpi_id = kpis.kpi_id
    where comparisons.comparison = 'target' and comparisons.is_target_met is not null
    group by kpis.dimension
)

select
    kpis.dimension,
    by_kind.comparison,
    count(*)::integer as kpis,
    count(*) filter (where by_kind.status = 'favourable')::integer as favourable,
    count(*) filter (where by_kind.status = 'unfavourable')::integer as unfavourable,
    count(*) filter (where by_kind.status = 'stable')::integer as stable,
    count(*) filter (where by_kind.status = 'neutral')::integer as neutral,
    count(*) filter (where by_kind.status = 'no_comparison')::integer as no_comparison,
    coalesce(max(targets.targets_set), 0)::integer as targets_set,
    coalesce(max(targets.targets_met), 0)::integer as targets_met
from by_kind
inner join kpis on by_kind.kpi_id = kpis.kpi_id
left join targets on kpis.dimension = targets.dimension
group by kpis.dimension, by_kind.comparison
