-- Do the parts make the whole? For every KPI that has figures of parts: wards (of either model), neighbourhoods, divisions.
-- What no part has is a part too, and said. Additive figures are summed; of ratios numerators and denominators are, each
-- held against those of the whole. A billionth is left to rounding.
with kpis as (
    select
        kpi_id,
        multiplier,
        rollup_geography,
        rollup_reason_en,
        rollup_reason_fr
    from {{ ref('mart_kpi') }}
),

points as (
    select * from {{ ref('kpi_point') }}
),

wholes as (
    select * from points
    where geography_type = 'city' and value is not null
),

parts as (
    select
        kpi_id,
        period_grain,
        period_start,
        case when geography_type = 'ward_44' then 'ward' else geography_type end as part_type,
        geography_code <> 'unplaced' as is_placed,
        value,
        numerator,
        denominator
    from points
    where geography_type not in ('city', 'country')
    union all
    select
        kpi_id,
        period_grain,
        period_start,
        'division' as part_type,
        division_code <> 'unplaced' as is_placed,
        numerator / nullif(denominator, 0) as value,
        numerator,
        denominator
    from {{ ref('kpi_division_part') }}
),

summed as (
    select
        kpi_id,
        period_grain,
        period_start,
        part_type,
        count(*) filter (where is_placed)::integer as parts,
        sum(value) as value,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        coalesce(sum(numerator) filter (where not is_placed), 0) as unplaced_numerator
    from parts
    group by kpi_id, period_grain, period_start, part_type
),

held as (
    select
        summed.kpi_id,
        wholes.kpi_version,
        summed.part_type,
        summed.period_grain,
        summed.period_start,
        kpis.rollup_geography as rollup,
        kpis.rollup_reason_en,
        kpis.rollup_reason_fr,
        summed.parts,
        case kpis.rollup_geography
            when 'additive' then summed.value
            when 'ratio' then {{ kpi_figure('summed.numerator', 'summed.denominator', 'kpis.multiplier') }}
        end as parts_value,
        case when kpis.rollup_geography <> 'not_additive' then summed.unplaced_numerator end as unplaced_numerator,
        wholes.value as whole_value,
        summed.numerator - wholes.numerator as numerator_difference,
        abs(wholes.numerator) as numerator_size,
        case when kpis.rollup_geography = 'ratio' then summed.denominator - wholes.denominator else 0 end
            as denominator_difference,
        abs(wholes.denominator) as denominator_size
    from summed
    inner join wholes
        on
            summed.kpi_id = wholes.kpi_id
            and summed.period_grain = wholes.period_grain
            and summed.period_start = wholes.period_start
    inner join kpis on summed.kpi_id = kpis.kpi_id
),

judged as (
    select
        *,
        trim_scale(parts_value - whole_value) as difference,
        case when rollup <> 'not_additive' then {{ rollup_tolerance('whole_value') }} end as tolerance,
        case
            when rollup = 'not_additive' then 'must_not_be_summed'
            when
                abs(parts_value - whole_value) <= {{ rollup_tolerance('whole_value') }}
                and abs(numerator_difference) <= {{ rollup_tolerance('numerator_size') }}
                and abs(denominator_difference) <= {{ rollup_tolerance('denominator_size') }}
                then 'reconciles'
            else 'differs'
        end as verdict
    from held
)

select
    kpi_id,
    kpi_version,
    part_type,
    period_grain,
    period_start,
    rollup,
    parts,
    parts_value,
    unplaced_numerator,
    'city' as whole_type,
    whole_value,
    difference,
    tolerance,
    verdict,
    case
        when verdict = 'must_not_be_summed' then rollup_reason_en
        when unplaced_numerator <> 0 then 'Of this in no area: ' || trim_scale(unplaced_numerator)
    end as reason_en,
    case
        when verdict = 'must_not_be_summed' then rollup_reason_fr
        when unplaced_numerator <> 0 then 'Dont sans secteur : ' || trim_scale(unplaced_numerator)
    end as reason_fr
from judged
