-- The parts of each composite index, per area and year: the figure, the figure after outliers were treated, and every
-- normalisation of it, so that the index can be worked out again. Outliers are treated as the R package COINr does by
-- default: while |skewness| > 2 and kurtosis > 3.5 the outermost figures are set to the next ones, five figures at most; if
-- that does not do, the logarithm log(x - min + 0.01 (max - min)) of the untreated figures is used (its log_CT).
with recursive components as (
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

sets as (
    select
        index_code,
        component,
        period_year,
        array_agg(value) as figures,
        min(value) as lowest,
        max(value) as highest
    from drawn
    group by index_code, component, period_year
),

-- Step 0 leaves the figures as they are. Each further step sets the outermost, those already set among them, to the next
-- figure inwards: at the top where the skew is to the top, else at the bottom. No step begins once five are set.
winsorised as (
    select
        sets.*,
        0 as step,
        0::bigint as figures_set,
        shape.skewness,
        shape.has_outliers
    from sets
    cross join
        lateral (
            select
                coalesce({{ sample_skewness('figure') }}, 0) as skewness,
                {{ has_outliers('figure') }} as has_outliers
            from unnest(sets.figures) as figure
        ) as shape
    union all
    select
        winsorised.index_code,
        winsorised.component,
        winsorised.period_year,
        winsorised.figures,
        edges.lowest,
        edges.highest,
        winsorised.step + 1 as step,
        shape.figures_set,
        shape.skewness,
        shape.has_outliers
    from winsorised
    cross join
        lateral (
            select
                case
                    when winsorised.skewness >= 0 then winsorised.lowest
                    else min(figure) filter (where figure > winsorised.lowest)
                end as lowest,
                case
                    when winsorised.skewness < 0 then winsorised.highest
                    else max(figure) filter (where figure < winsorised.highest)
                end as highest
            from unnest(winsorised.figures) as figure
        ) as edges
    cross join
        lateral (
            select
                count(*) filter (where figure not between edges.lowest and edges.highest) as figures_set,
                coalesce({{ sample_skewness('inside') }}, 0) as skewness,
                {{ has_outliers('inside') }} as has_outliers
            from unnest(winsorised.figures) as figure
            cross join lateral (select least(greatest(figure, edges.lowest), edges.highest) as inside) as trimmed
        ) as shape
    where winsorised.has_outliers and winsorised.figures_set < 5
),

steps as (
    select distinct on (index_code, component, period_year)
        index_code,
        component,
        period_year,
        step,
        lowest,
        highest,
        has_outliers
    from winsorised
    order by index_code, component, period_year, step desc
),

-- The logarithm is of the figures as they were, shifted by a hundredth of their range above the lowest.
treated as (
    select
        drawn.*,
        case
            when steps.has_outliers then 'logarithm'
            when steps.step = 0 then 'none'
            else 'winsorised'
        end as treatment,
        case
            when steps.has_outliers
                then round(
                    ln(
                        drawn.value - min(drawn.value) over same_set
                        + 0.01 * (max(drawn.value) over same_set - min(drawn.value) over same_set)
                    ), 10
                )
            else least(greatest(drawn.value, steps.lowest), steps.highest)
        end as treated_value
    from drawn
    inner join steps
        on
            drawn.index_code = steps.index_code
            and drawn.component = steps.component
            and drawn.period_year = steps.period_year
    window same_set as (partition by drawn.index_code, drawn.component, drawn.period_year)
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
