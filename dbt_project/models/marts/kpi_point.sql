-- All KPI models side by side, as computed tonight, each point with its figure. A retired KPI is computed no more: what
-- it has published stays.
with points as (
    {%- for name in kpi_models().split(',') if name %}
        select
            kpi_id::text as kpi_id,
            period_start::date as period_start,
            period_grain::text as period_grain,
            geography_type::text as geography_type,
            geography_code::text as geography_code,
            numerator::numeric as numerator,
            denominator::numeric as denominator
        from {{ ref(name) }}
        {{ 'union all' if not loop.last }}
    {%- else %}
        select
            null::text as kpi_id,
            null::date as period_start,
            null::text as period_grain,
            null::text as geography_type,
            null::text as geography_code,
            null::numeric as numerator,
            null::numeric as denominator
        where false
    {%- endfor %}
),

registry as (
    select
        kpi_id,
        version,
        multiplier
    from {{ ref('mart_kpi') }}
    where lifecycle_state <> 'retired'
)

select
    points.kpi_id,
    registry.version as kpi_version,
    points.geography_type,
    points.geography_code,
    points.period_grain,
    points.period_start,
    {{ kpi_figure('points.numerator', 'points.denominator', 'registry.multiplier') }} as value,
    points.numerator,
    points.denominator
from points
inner join registry on points.kpi_id = registry.kpi_id
