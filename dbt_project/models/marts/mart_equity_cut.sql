-- Neighbourhood Improvement Areas against all other neighbourhoods. Numerators and denominators are summed: a rate of a
-- group is never a mean of rates. Counts become rates per 100,000 residents of the year where all residents are known;
-- a figure that is neither a ratio nor a count (a median, say) cannot be put together and says so.
with kpis as (
    select * from {{ ref('mart_kpi') }}
),

designations as (
    select
        *,
        designation = 'improvement_area' as is_improvement_area
    from {{ ref('int_neighbourhood_designation') }}
),

points as (
    select
        current_points.kpi_id,
        current_points.kpi_version,
        current_points.geography_type,
        current_points.period_grain,
        current_points.period_start,
        current_points.numerator,
        current_points.denominator,
        residents.population,
        designations.is_improvement_area,
        kpis.unit,
        kpis.direction,
        kpis.multiplier
    from {{ ref('kpi_current') }} as current_points
    inner join kpis on current_points.kpi_id = kpis.kpi_id
    inner join designations
        on
            current_points.geography_type = designations.geography_type
            and current_points.geography_code = designations.geography_code
    left join {{ ref('int_population') }} as residents
        on
            current_points.geography_type = residents.geography_type
            and current_points.geography_code = residents.geography_code
            and current_points.period_year = residents.population_year
    where current_points.value is not null
),

based as (
    select
        *,
        case
            when bool_and(denominator is not null) over same_period then 'own_ratio'
            when unit <> 'number' or bool_or(denominator is not null) over same_period then 'not_summable'
            when bool_and(population is not null) over same_period then 'per_100000_residents'
            else 'total'
        end as basis
    from points
    window same_period as (partition by kpi_id, kpi_version, geography_type, period_grain, period_start)
),

weighed as (
    select
        *,
        case basis when 'per_100000_residents' then 100000 else multiplier end as factor,
        case when basis <> 'not_summable' then numerator end as part,
        case basis when 'own_ratio' then denominator when 'per_100000_residents' then population end as whole
    from based
),

summed as (
    select
        kpi_id,
        kpi_version,
        geography_type,
        period_grain,
        period_start,
        basis,
        direction,
        factor,
        count(*) filter (where is_improvement_area)::integer as improvement_areas,
        count(*) filter (where not is_improvement_area)::integer as other_areas,
        sum(part) filter (where is_improvement_area) as improvement_numerator,
        sum(whole) filter (where is_improvement_area) as improvement_denominator,
        sum(part) filter (where not is_improvement_area) as other_numerator,
        sum(whole) filter (where not is_improvement_area) as other_denominator
    from weighed
    group by kpi_id, kpi_version, geography_type, period_grain, period_start, basis, direction, factor
),

figures as (
    select
        *,
        {{ kpi_figure('improvement_numerator', 'improvement_denominator', 'factor') }} as improvement_value,
        {{ kpi_figure('other_numerator', 'other_denominator', 'factor') }} as other_value
    from summed
)

select
    kpi_id,
    kpi_version,
    geography_type,
    period_grain,
    period_start,
    basis,
    improvement_areas,
    other_areas,
    improvement_numerator,
    improvement_denominator,
    improvement_value,
    other_numerator,
    other_denominator,
    other_value,
    -- Totals of groups of different size are not comparable.
    case when basis <> 'total' then improvement_value - other_value end as gap,
    case when basis <> 'total' then {{ ratio('improvement_value', 'other_value') }} end as ratio_to_others,
    case
        when basis = 'total' or improvement_value is null or other_value is null then 'not_comparable'
        when improvement_value = other_value then 'equal'
        when direction not in ('up', 'down') then 'not_judged'
        when (improvement_value > other_value) = (direction = 'up') then 'better'
        else 'worse'
    end as standing
from figures
