-- Every suitable KPI: how its forecast did when it was tried on its past, and why it is not shown where it is not.
-- The tries are made of the present figures, in Python: new figures make it new.
-- depends_on: {{ ref('kpi_current') }}
with series as (
    select * from {{ source('forecast', 'series') }}
),

kpis as (
    select * from {{ ref('mart_kpi') }}
)

select
    series.kpi_id,
    series.kpi_version,
    series.geography_type,
    series.geography_code,
    series.period_grain,
    series.first_period,
    series.last_period,
    series.points,
    series.method,
    series.origins,
    series.mean_error::numeric as mean_error,
    series.naive_error::numeric as naive_error,
    trim_scale(round((1 - series.mean_error / nullif(series.naive_error, 0))::numeric, 6)) as skill,
    series.coverage::numeric as coverage,
    series.is_shown,
    case series.reason
        when 'too_short' then 'Too few periods without a gap'
        when 'not_better' then 'No better than the same season a year before'
        when 'no_answer' then 'The method found no answer for this series'
    end as reason_en,
    case series.reason
        when 'too_short' then 'Trop peu de périodes sans interruption'
        when 'not_better' then 'Pas mieux que la même saison un an plus tôt'
        when 'no_answer' then 'La méthode n’a pas trouvé de réponse pour cette série'
    end as reason_fr
from series
inner join kpis on series.kpi_id = kpis.kpi_id and series.kpi_version = kpis.version
