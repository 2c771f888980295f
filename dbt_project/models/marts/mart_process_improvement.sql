-- How well processes work and whether they work better than a quarter before. Formulae of the R package SixSigma: yield =
-- (N - defects) / N, first-time yield also less rework, rolled throughput yield = product of the steps' first-time
-- yields. Its Z takes 1.5 off for the short term; the common table of sigma levels adds 1.5 to a long-term Z instead. Both
-- the plain Z and the package's are here, each named.
with steps as (
    select * from {{ ref('process_step') }}
),

measured as (
    select
        process,
        subject,
        quarter_start,
        max(units) as units,
        sum(defects) as defects,
        sum(rework) as rework,
        count(*)::integer as steps,
        {{ rolled_throughput_yield('units', '(defects + rework)') }} as rolled_throughput_yield,
        max(mean) as mean,
        max(deviation) as deviation,
        max(lower_limit) as lower_limit,
        max(upper_limit) as upper_limit
    from steps
    group by process, subject, quarter_start
),

rated as (
    select
        *,
        {{ process_yield('units', 'defects') }} as yield,
        {{ process_yield('units', '(defects + rework)') }} as first_time_yield,
        {{ defects_per_million('defects', 'units') }} as dpmo,
        {{ process_z('mean', 'deviation', 'lower_limit', 'upper_limit') }} as z,
        {{ process_cp('deviation', 'lower_limit', 'upper_limit') }} as cp,
        {{ process_cpk('mean', 'deviation', 'lower_limit', 'upper_limit') }} as cpk
    from measured
),

compared as (
    select
        *,
        first_value(first_time_yield) over quarter_before as first_time_yield_before,
        first_value(dpmo) over quarter_before as dpmo_before,
        first_value(z) over quarter_before as z_before
    from rated
    window quarter_before as (
        partition by process, subject order by quarter_start
        range between interval '3 months' preceding and interval '3 months' preceding
    )
)

select
    process,
    subject,
    quarter_start,
    steps,
    units::bigint as units,
    defects::bigint as defects,
    rework::bigint as rework,
    yield,
    first_time_yield,
    rolled_throughput_yield,
    dpmo,
    trim_scale(round(mean, 6)) as mean,
    trim_scale(round(deviation, 6)) as deviation,
    lower_limit,
    upper_limit,
    z,
    trim_scale(z - 1.5) as z_less_1_5,
    cp,
    cpk,
    first_time_yield_before,
    dpmo_before,
    z_before,
    trim_scale(round((first_time_yield - first_time_yield_before) * 100, 6)) as change_in_first_time_yield,
    case
        when first_time_yield_before is null then 'no_comparison'
        when first_time_yield > first_time_yield_before then 'better'
        when first_time_yield < first_time_yield_before then 'worse'
        else 'same'
    end as before_and_after
from compared
