-- What readers saw change, from one release to the next. Several vintages of one release are one change, because nobody
-- saw the ones between. A figure for a period beyond the latest published one is news and not here; one before it came
-- late. A new definition is never called a revision.
with seen as (
    select distinct on (
        figures.kpi_id, figures.geography_type, figures.geography_code, figures.period_grain, figures.period_start,
        vintages.release_number
    )
        figures.*,
        vintages.release_number,
        -- a vintage without a release comes after all that have one
        coalesce(vintages.release_number, 2147483647) as place
    from {{ ref('mart_kpi_value') }} as figures
    inner join {{ ref('mart_vintage') }} as vintages on figures.vintage = vintages.vintage
    order by
        figures.kpi_id, figures.geography_type, figures.geography_code, figures.period_grain, figures.period_start,
        vintages.release_number, figures.kpi_version desc, figures.vintage desc
),

compared as (
    select
        *,
        lag(value) over same_point as old_value,
        lag(kpi_version) over same_point as old_version,
        lag(vintage) over same_point as old_vintage,
        max(period_start) over (
            partition by kpi_id, geography_type, geography_code, period_grain
            order by place range between unbounded preceding and 1 preceding
        ) as reached
    from seen
    window same_point as (
        partition by kpi_id, geography_type, geography_code, period_grain, period_start order by place
    )
)

select
    kpi_id,
    geography_type,
    geography_code,
    period_grain,
    period_start,
    vintage,
    release_number,
    old_vintage,
    old_version,
    kpi_version as new_version,
    old_value,
    value as new_value,
    value - old_value as change,
    case
        when old_version <> kpi_version then 'definition'
        when old_value is null then 'late_data'
        when is_withdrawn then 'withdrawal'
        else 'revision'
    end as cause
from compared
where
    value is distinct from old_value
    and (old_vintage is not null or period_start < reached)
