-- Targets carry no interval: the measure that they belong to says whether period 3 is a month, a quarter or a season.
with source as (
    {{ current_delivery('dashboard_targets', ['measure_id', 'year', 'period']) }}
)

select
    {{ measure_id('measure_id') }} as measure_id,
    year::integer as period_year,
    period::integer as period_number,
    target::numeric as target,
    _file_id,
    _row,
    _night
from source
