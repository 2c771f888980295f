-- Peer comparison: each reported result beside the median, the quartiles and the best of those that reported the measure
-- that year. Peers that did not report count nowhere. Quartiles interpolate linearly between ranks (type 7).
with results as (
    select * from {{ ref('int_benchmark_results') }}
    where value is not null
),

spread as (
    select
        measure_code,
        period_year,
        count(*) as reporters,
        round(percentile_cont(0.25) within group (order by value)::numeric, 10) as first_quartile,
        round(percentile_cont(0.5) within group (order by value)::numeric, 10) as median,
        round(percentile_cont(0.75) within group (order by value)::numeric, 10) as third_quartile,
        min(value) as lowest,
        max(value) as highest
    from results
    group by measure_code, period_year
),

ranked as (
    select
        results.*,
        spread.reporters,
        spread.first_quartile,
        spread.median,
        spread.third_quartile,
        case results.direction when 'down' then spread.lowest when 'up' then spread.highest end as best,
        case
            when results.direction in ('up', 'down')
                then rank() over (
                    partition by results.measure_code, results.period_year
                    order by case results.direction when 'down' then results.value else -results.value end
                )
        end as standing
    from results
    inner join spread
        on
            results.measure_code = spread.measure_code
            and results.period_year = spread.period_year
)

select
    measure_code,
    measure_name,
    program_area,
    measure_category,
    municipality,
    period_year,
    trim_scale(value) as value,
    trim_scale(median) as median,
    trim_scale(first_quartile) as first_quartile,
    trim_scale(third_quartile) as third_quartile,
    standing::integer as rank,
    reporters::integer as reporters,
    -- Fewer than four cannot be quartered; the first quartile is the best one.
    case
        when reporters < 4 then null
        when direction = 'down'
            then case
                when value <= first_quartile then 1
                when value <= median then 2
                when value <= third_quartile then 3
                else 4
            end
        when direction = 'up'
            then case
                when value >= third_quartile then 1
                when value >= median then 2
                when value >= first_quartile then 3
                else 4
            end
    end as quartile,
    trim_scale(best) as best,
    trim_scale(value - median) as gap_to_median,
    trim_scale(value - best) as gap_to_best,
    direction,
    nullif(
        concat_ws(
            ' ',
            case when direction = 'none' then 'Neither high nor low is better: not ranked.' end,
            case when reporters < 4 then 'Fewer than four reported: no quartiles.' end,
            notes
        ),
        ''
    ) as comparability_note
from ranked
