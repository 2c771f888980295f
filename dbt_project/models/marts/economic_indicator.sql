-- Outside indicators that frame the City's figures, with the change on the same period a year earlier.
with indicators as (
    select * from {{ ref('int_economic_context') }}
)

select
    indicators.indicator,
    indicators.publisher,
    indicators.period_grain,
    indicators.period_start,
    trim_scale(round(indicators.value, 10)) as value,
    trim_scale(round(earlier.value, 10)) as last_year_value,
    trim_scale(round((indicators.value / nullif(earlier.value, 0) - 1) * 100, 6)) as change_percent,
    indicators.mark
from indicators
left join indicators as earlier
    on
        indicators.indicator = earlier.indicator
        and indicators.period_grain = earlier.period_grain
        and indicators.period_start = (earlier.period_start + interval '1 year')::date
