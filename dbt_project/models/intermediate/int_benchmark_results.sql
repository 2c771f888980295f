with results as (
    select * from {{ ref('stg_mbncanada__results') }}
    where result is not null
),

labels as (
    select distinct on (measure_code)
        measure_code,
        measure_name
    from results
    order by measure_code, fiscal_year desc, municipality_id
)

select
    results.measure_code,
    labels.measure_name,
    results.program_area,
    results.measure_category,
    coalesce(
        reviewed.direction, case when results.measure_category = 'Efficiency' then 'down' else 'none' end
    ) as direction,
    results.municipality_id,
    results.municipality,
    results.fiscal_year as period_year,
    results.numerator,
    results.denominator,
    results.result as value,
    results.notes,
    results._file_id
from results
inner join labels
    on results.measure_code = labels.measure_code
left join {{ ref('benchmark_direction') }} as reviewed
    on results.measure_code = reviewed.measure_code
