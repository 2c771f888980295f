-- How far targets are attained, up the tree from KPI to objective to perspective to the whole. A KPI's attainment is 1
-- when its latest figure meets its target or lies within its threshold; a miss is the lesser of figure and target divided
-- by the greater, and 0 where they are not both positive and so have no ratio. An objective is the mean of its KPIs, a
-- perspective the mean of its objectives by their weights, the whole the mean of the perspectives; what has no
-- attainment counts nowhere and its weight goes to the others. Proposed and retired KPIs are not in the tree.
with objectives as (
    select * from {{ ref('objectives') }}
),

perspective_names (perspective, name_en, name_fr) as (
    values
    ('financial', 'Financial', 'Finances'),
    ('customer', 'Customer', 'Clientèle'),
    ('process', 'Internal process', 'Processus internes'),
    ('learning_and_growth', 'Learning and growth', 'Apprentissage et développement')
),

kpis as (
    select * from {{ ref('mart_kpi') }}
    where is_active and lifecycle_state = 'active' and objective is not null
),

-- The widest area that a KPI is computed for: the city before the country.
against_target as (
    select distinct on (kpi_id) *
    from {{ ref('mart_kpi_comparison') }}
    where comparison = 'target' and geography_type in ('city', 'country')
    order by kpi_id, geography_type, geography_code
),

kpi_nodes as (
    select
        kpis.kpi_id,
        kpis.objective,
        kpis.name_en,
        kpis.name_fr,
        against_target.period_start,
        against_target.current_value,
        against_target.compared_value as target_value,
        against_target.is_target_met,
        case
            when against_target.is_target_met then 1
            when not against_target.is_target_met
                then case
                    when least(against_target.current_value, against_target.compared_value) > 0
                        then trim_scale(round(
                            least(against_target.current_value, against_target.compared_value)
                            / greatest(against_target.current_value, against_target.compared_value), 12
                        ))
                    else 0
                end
        end as attainment
    from kpis
    left join against_target on kpis.kpi_id = against_target.kpi_id
),

objective_nodes as (
    select
        objectives.objective,
        objectives.perspective,
        objectives.name_en,
        objectives.name_fr,
        objectives.weight,
        trim_scale(round(avg(kpi_nodes.attainment), 12)) as attainment,
        count(kpi_nodes.kpi_id) as kpis,
        count(kpi_nodes.attainment) as kpis_with_target,
        count(*) filter (where kpi_nodes.is_target_met) as targets_met
    from objectives
    left join kpi_nodes on objectives.objective = kpi_nodes.objective
    group by
        objectives.objective, objectives.perspective, objectives.name_en, objectives.name_fr, objectives.weight
),

perspective_nodes as (
    select
        perspective_names.perspective,
        perspective_names.name_en,
        perspective_names.name_fr,
        trim_scale(round(
            sum(objective_nodes.attainment * objective_nodes.weight)
            / sum(objective_nodes.weight) filter (where objective_nodes.attainment is not null), 12
        )) as attainment,
        sum(objective_nodes.kpis) as kpis,
        sum(objective_nodes.kpis_with_target) as kpis_with_target,
        sum(objective_nodes.targets_met) as targets_met
    from perspective_names
    inner join objective_nodes on perspective_names.perspective = objective_nodes.perspective
    group by perspective_names.perspective, perspective_names.name_en, perspective_names.name_fr
),

nodes as (
    select
        'corporate' as node_level,
        'corporate' as node,
        null::text as parent,
        'Corporate performance' as name_en,
        'Rendement de la Ville' as name_fr,
        1::numeric as weight,
        trim_scale(round(avg(attainment), 12)) as attainment,
        sum(kpis) as kpis,
        sum(kpis_with_target) as kpis_with_target,
        sum(targets_met) as targets_met,
        null::date as period_start,
        null::numeric as current_value,
        null::numeric as target_value
    from perspective_nodes
    union all
    select
        'perspective' as node_level,
        perspective as node,
        'corporate' as parent,
        name_en,
        name_fr,
        1::numeric as weight,
        attainment,
        kpis,
        kpis_with_target,
        targets_met,
        null::date as period_start,
        null::numeric as current_value,
        null::numeric as target_value
    from perspective_nodes
    union all
    select
        'objective' as node_level,
        objective as node,
        perspective as parent,
        name_en,
        name_fr,
        weight,
        attainment,
        kpis,
        kpis_with_target,
        targets_met,
        null::date as period_start,
        null::numeric as current_value,
        null::numeric as target_value
    from objective_nodes
    union all
    select
        'kpi' as node_level,
        kpi_id as node,
        objective as parent,
        name_en,
        name_fr,
        1::numeric as weight,
        attainment,
        1 as kpis,
        case when attainment is null then 0 else 1 end as kpis_with_target,
        case when is_target_met then 1 else 0 end as targets_met,
        period_start,
        current_value,
        target_value
    from kpi_nodes
)

select
    node_level,
    node,
    parent,
    name_en,
    name_fr,
    weight,
    case
        when attainment is not null
            then trim_scale(round(weight / sum(weight) filter (where attainment is not null) over siblings, 12))
    end as weight_share,
    attainment,
    kpis::integer as kpis,
    kpis_with_target::integer as kpis_with_target,
    (kpis - kpis_with_target)::integer as kpis_without_target,
    targets_met::integer as targets_met,
    period_start,
    current_value,
    target_value
from nodes
window siblings as (partition by node_level, parent)
