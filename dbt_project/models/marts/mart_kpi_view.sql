-- The same figures seen otherwise, each view only where it means something: counts per 100,000 residents of the same
-- area and year (of the last census before it where only censuses count, as in wards); dollars at the prices of one year
-- (Toronto's all-items consumer prices, averaged over the figure's own period); the last twelve months of a flow; the
-- pace of three months in a level; the change on a year before; Wilson's interval of a share whose parts are counts.
-- Exceptions are listed with their reasons in kpi_view_exceptions.
with kpis as (
    select * from {{ ref('mart_kpi') }}
),

points as (
    select
        current_points.*,
        kpis.unit,
        kpis.is_flow,
        kpis.multiplier,
        bool_and(
            coalesce(
                current_points.numerator = trunc(current_points.numerator)
                and current_points.denominator = trunc(current_points.denominator)
                and current_points.numerator between 0 and current_points.denominator,
                false
            )
        ) over (partition by current_points.kpi_id) as is_counted_share,
        -- Empty unless that very month has a figure.
        first_value(current_points.value) over (
            partition by
                current_points.kpi_id,
                current_points.geography_type,
                current_points.geography_code,
                current_points.period_grain
            order by current_points.period_start
            range between interval '3 months' preceding and interval '3 months' preceding
        ) as three_months_before
    from {{ ref('kpi_current') }} as current_points
    inner join kpis on current_points.kpi_id = kpis.kpi_id
    where current_points.value is not null
),

comparisons as (
    select
        pairs.*,
        points.value,
        points.unit
    from {{ ref('kpi_period_comparison') }} as pairs
    inner join points
        on
            {{ same_series('pairs', 'points') }}
            and pairs.period_start = points.period_start
    where pairs.comparison in ('rolling_12', 'year')
),

residents as (
    select * from {{ ref('int_resident_base') }}
),

-- Vector 41692888 is Toronto, all items, not seasonally adjusted. A period counts with all its months or not at all.
price_levels as (
    select
        periods.period_grain,
        periods.period_start,
        periods.period_year,
        avg(prices.value) as price_level
    from {{ ref('int_periods') }} as periods
    inner join {{ ref('int_economic_context') }} as prices
        on prices.period_start between periods.period_start and periods.period_end
    where prices.indicator = 'v41692888' and prices.period_grain = 'month'
    group by periods.period_grain, periods.period_start, periods.period_year
    having count(*) = case periods.period_grain when 'month' then 1 when 'year' then 12 else 3 end
),

base_year as (
    select
        period_year,
        price_level
    from price_levels
    where period_grain = 'year'
    order by period_year desc
    limit 1
),

views as (
    select
        points.kpi_id,
        points.kpi_version,
        points.geography_type,
        points.geography_code,
        points.period_grain,
        points.period_start,
        'per_100000' as kpi_view,
        points.value,
        {{ per_100000('points.value', 'residents.population') }} as view_value,
        'per_100000_residents' as view_unit,
        null::numeric as lower_bound,
        null::numeric as upper_bound,
        residents.population::numeric as base_value,
        residents.population_year as base_year,
        case residents.source
            when 'ward_profiles' then 'Residents in private households, census of '
            else 'Residents of '
        end || residents.population_year as base_en,
        case residents.source
            when 'ward_profiles' then 'Population des ménages privés, recensement de '
            else 'Population de '
        end || residents.population_year as base_fr
    from points
    inner join residents
        on
            points.geography_type = residents.geography_type
            and points.geography_code = residents.geography_code
            and points.period_year >= residents.population_year
            and points.period_year <= coalesce(residents.last_year, points.period_year)
    where points.unit = 'number' and points.denominator is null
    union all
    select
        points.kpi_id,
        points.kpi_version,
        points.geography_type,
        points.geography_code,
        points.period_grain,
        points.period_start,
        'real_dollars' as kpi_view,
        points.value,
        trim_scale(round(points.value * base_year.price_level / price_levels.price_level, 6)) as view_value,
        points.unit as view_unit,
        null::numeric as lower_bound,
        null::numeric as upper_bound,
        trim_scale(round(price_levels.price_level / base_year.price_level, 12)) as base_value,
        base_year.period_year as base_year,
        'Dollars of ' || base_year.period_year || ' (consumer prices, all items, Toronto)' as base_en,
        'Dollars de ' || base_year.period_year || ' (prix à la consommation, ensemble, Toronto)' as base_fr
    from points
    inner join price_levels
        on
            points.period_grain = price_levels.period_grain
            and points.period_start = price_levels.period_start
    cross join base_year
    where points.unit in ('cad', 'thousand_cad')
    union all
    select
        kpi_id,
        kpi_version,
        geography_type,
        geography_code,
        period_grain,
        period_start,
        'annualised_3_months' as kpi_view,
        value,
        {{ annualised_from_three_months('value', 'three_months_before') }} as view_value,
        'percent_a_year' as view_unit,
        null::numeric as lower_bound,
        null::numeric as upper_bound,
        three_months_before as base_value,
        null::integer as base_year,
        'Figure three months before' as base_en,
        'Valeur trois mois plus tôt' as base_fr
    from points
    where period_grain = 'month' and not is_flow and unit <> 'percent'
    union all
    select
        kpi_id,
        kpi_version,
        geography_type,
        geography_code,
        period_grain,
        period_start,
        'wilson_interval' as kpi_view,
        value,
        value as view_value,
        unit as view_unit,
        {{ wilson_bound('numerator', 'denominator', '-') }} as lower_bound,
        {{ wilson_bound('numerator', 'denominator', '+') }} as upper_bound,
        denominator as base_value,
        null::integer as base_year,
        'Cases counted; 95% interval' as base_en,
        'Cas dénombrés; intervalle à 95 %' as base_fr
    from points
    where unit = 'percent' and multiplier = 1 and is_counted_share
    union all
    select
        kpi_id,
        kpi_version,
        geography_type,
        geography_code,
        period_grain,
        period_start,
        'rolling_12' as kpi_view,
        value,
        current_value as view_value,
        unit as view_unit,
        null::numeric as lower_bound,
        null::numeric as upper_bound,
        periods::numeric as base_value,
        null::integer as base_year,
        'The last 12 months, all with a figure' as base_en,
        'Les 12 derniers mois, tous renseignés' as base_fr
    from comparisons
    where comparison = 'rolling_12'
    union all
    select
        kpi_id,
        kpi_version,
        geography_type,
        geography_code,
        period_grain,
        period_start,
        'year_on_year' as kpi_view,
        value,
        change as view_value,
        'percent' as view_unit,
        null::numeric as lower_bound,
        null::numeric as upper_bound,
        compared_value as base_value,
        null::integer as base_year,
        'Same period a year before' as base_en,
        'Même période un an plus tôt' as base_fr
    from comparisons
    where comparison = 'year' and change_unit = 'percent'
)

select views.*
from views
where
    views.view_value is not null
    and not exists (
        select 1
        from {{ ref('kpi_view_exceptions') }} as exceptions
        where exceptions.kpi_id = views.kpi_id and exceptions.kpi_view = views.kpi_view
    )
