-- A figure that its publisher marks stays a row, with the mark and without a value where none was published.
select
    'v' || vector_id as indicator,
    'Statistics Canada' as publisher,
    period_grain,
    reference_period as period_start,
    avg(scaled_value) as value,
    count(scaled_value) as observations,
    max({{ statcan_mark('quality', 'scaled_value') }}) as mark,
    max(_file_id) as _file_id
from {{ ref('stg_statcan__indicators') }}
where is_latest and period_grain in ('month', 'quarter', 'year')
group by vector_id, period_grain, reference_period
union all
select
    series as indicator,
    'Bank of Canada' as publisher,
    'month' as period_grain,
    month_start as period_start,
    avg(value) as value,
    count(value) as observations,
    null::text as mark,
    max(_file_id) as _file_id
from {{ ref('stg_bank_of_canada__rates') }}
group by series, month_start
having count(value) > 0
