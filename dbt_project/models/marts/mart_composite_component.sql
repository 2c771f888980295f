-- The parts of each composite index, per area and year: the figure, the figure after outliers were treated, and every
-- normalisation of it, so that the index can be worked out again. Outliers: while |skewness| > 2 and kurtosis > 3.5 the
-- outermost figures are set to the next ones, five times at most; if that does not do, a logarithm of the figures is used.
with components as (
    select
        parts.index_code,
        parts.component,
        parts.direction,
        parts.weight,
        parts.goalpost_low,
        parts.goalpost_high,
        indices.geography_type,
        indices.scale_low,
        indices.scale_high
    from {{ ref('index_part') }} as parts
    inner join {{ ref('index_definition') }} as indices on parts.index_code = indices.index_code
),

figures as (
    select
        'crime:' || crime as component,
        'neighbourhood_158' as geography_type,
        neighbourhood_code as geography_code,
        crime_year as period_year,
        rate as value
    from {{ ref('int_crime_rates') }}
    union all
    select
        'kpi:' || kpi_id as component,
        geography_type,
        geography_code,
        period_year,
        value
    from {{ ref('kpi_current') }}
    where period_grain = 'year'
),

-- What a part is measured against: the figure of the whole city.
targets as (
    select
        'crime:' || crimes.crime as component,
        crimes.crime_year as period_year,
        sum(crimes.incidents) * 100000.0 / min(residents.population) as target
    from {{ ref('int_crime_rates') }} as crimes
    inner join {{ ref('int_population') }} as residents
        on
            residents.geography_type = 'city'
            and crimes.crime_year = residents.population_year
    group by crimes.crime, crimes.crime_year
    union all
    select
        component,
        period_year,
        value as target
    from figures
    where geography_type = 'city' and component like 'kpi:%'
),

drawn as (
    select
        components.*,
        figures.geography_code,
        figures.period_year,
        round(figures.value::numeric, 6) as value,
        round(targets.target::numeric, 6) as target
    from components
    inner join figures
        on
            components.component = figures.component
            and components.geography_type = figures.geography_type
    left join targets
        on
            components.component = targets.component
            and figures.period_year = targets.period_year
    where figures.value is not null
),

shaped as (
    select
        index_code,
        component,
        period_year,
        coalesce({{ sample_skewness('value') }}, 0) as skewness,
        {{ has_outliers('value') }} as has_outliers
    from drawn
    group by index_code, component, period_year
),

ranked as (
    select
        drawn.*,
        -- The outermost figures come first, on the side of the long tail.
        dense_rank() over (
            partition by drawn.index_code, drawn.component, drawn.period_year
            order by case when shaped.skewness > 0 then -drawn.value else drawn.value end
        ) as place,
        shaped.skewness > 0 as is_tail_high,
        shaped.has_outliers
    from drawn
    inner join shaped
        on
            drawn.index_code = shaped.index_code
            and drawn.component = shaped.component
            and drawn.period_year = shaped.period_year
),

-- Step 0 leaves the figures as they are; in steps 1 to 5 the outermost are set to the one at the next place.
edges as (
    select distinct
        index_code,
        component,
        period_year,
        place - 1 as step,
        value as edge
    from ranked
    where place = 1 or (has_outliers and place <= 6)
),

trimmed as (
    select
        ranked.*,
        edges.step,
        case
            when ranked.is_tail_high then least(ranked.value, edges.edge)
            else greatest(ranked.value, edges.edge)
        end as trimmed_value
    from ranked
    inner join edges
        on
            ranked.index_code = edges.index_code
            and ranked.component = edges.component
            and ranked.period_year = edges.period_year
),

judged as (
    select
        index_code,
        component,
        period_year,
        step,
        {{ has_outliers('trimmed_value') }} as has_outliers
    from trimmed
    group by index_code, component, period_year, step
),

steps as (
    select
        index_code,
        component,
        period_year,
        min(step) filter (where not has_outliers) as step
    from judged
    group by index_code, component, period_year
),

treated as (
    select
        trimmed.*,
        case
            when steps.step is null then 'logarithm'
            when steps.step = 0 then 'none'
            else 'winsorised'
        end as treatment,
        case
            when steps.step is null
                then round(
                    ln(
                        trimmed.value - min(trimmed.value) over same_set
                        + 0.01 * (max(trimmed.value) over same_set - min(trimmed.value) over same_set)
                    ), 10
                )
            else trimmed.trimmed_value
        end as treated_value
    from trimmed
    inner join steps
        on
            trimmed.index_code = steps.index_code
            and trimmed.component = steps.component
            and trimmed.period_year = steps.period_year
            and trimmed.step = coalesce(steps.step, 0)
    window same_set as (partition by trimmed.index_code, trimmed.component, trimmed.period_year)
),

directed as (
    select
        *,
        case direction when 'down' then -treated_value else treated_value end as better_up
    from treated
)

select
    index_code,
    geography_type,
    geography_code,
    period_year,
    component,
    direction,
    weight,
    trim_scale(value) as value,
    treatment,
    trim_scale(treated_value) as treated_value,
    trim_scale(round({{ normal_min_max('better_up', 'same_set', 'scale_low', 'scale_high') }}, 10)) as scaled,
    trim_scale(round({{ normal_z('better_up', 'same_set') }}, 10)) as z,
    trim_scale(target) as target,
    trim_scale(round({{ normal_to_target('value', 'target', 'direction', 'same_set') }}, 10)) as share_of_way_to_target,
    trim_scale(
        round({{ normal_goalposts('value', 'goalpost_low', 'goalpost_high', 'direction') }}, 10)
    ) as between_goalposts,
    trim_scale(round({{ normal_percentile_rank('from_worst', 'same_set') }}, 10)) as percentile_rank,
    ({{ normal_borda('from_worst') }})::integer as borda
from directed
window
    same_set as (partition by index_code, component, period_year),
    from_worst as (partition by index_code, component, period_year order by better_up)
