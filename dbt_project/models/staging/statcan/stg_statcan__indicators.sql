-- Every point has a release time of its own, which is its vintage: all that were seen stay, whatever delivery brought
-- them; of one release delivered again the latest delivery stands. Codes: Statistics Canada's getCodeSets.
with source as (
    select
        raw_points.*,
        row_number() over (
            partition by vector_id, reference_period, release_time
            order by _night desc, _file_id desc, _row desc
        ) as delivery_rank,
        row_number() over (
            partition by vector_id, reference_period
            order by release_time desc nulls last, _night desc, _file_id desc, _row desc
        ) as release_rank
    from {{ source('raw', 'statcan_indicators') }} as raw_points
)

select
    vector_id,
    product_id,
    coordinate,
    reference_period::date as reference_period,
    case frequency_code::integer
        when 1 then 'day' when 2 then 'week' when 6 then 'month' when 9 then 'quarter' when 11 then 'half_year'
        when 12 then 'year'
    end as period_grain,
    value::numeric as value,
    value::numeric * ('1e' || coalesce(scalar_factor_code, '0'))::numeric as scaled_value,
    decimals::integer as decimals,
    status_code::integer as status_code,
    case status_code::integer
        when 1 then 'not available' when 2 then 'rounded to zero' when 3 then 'A' when 4 then 'B' when 5 then 'C'
        when 6 then 'D' when 7 then 'E' when 8 then 'F' when 9 then 'not applicable'
        when 10 then 'below detection'
    end as quality,
    coalesce(symbol_code::integer = 1, false) as is_preliminary,
    coalesce(symbol_code::integer = 3, false) as is_revised,
    release_time::timestamp as released_at,
    release_rank = 1 as is_latest,
    _file_id,
    _row,
    _night
from source
where delivery_rank = 1
