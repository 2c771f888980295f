-- Share of the water samples of a summer with no more than 100 E. coli per 100 millilitres, at all beaches. Samples are
-- taken until early September; a summer is June to August here, as everywhere.
with samples as (
    select
        (date_trunc('year', collected_on) + interval '5 months')::date as summer_start,
        collected_on,
        max(collected_on) over () as newest_day,
        e_coli_per_100_ml
    from {{ ref('stg_public_health__beach_water') }}
),

summers as (
    select
        *,
        (summer_start + interval '3 months' - interval '1 day')::date as summer_end
    from samples
)

select
    'QL-BCH-01' as kpi_id,
    summer_start as period_start,
    'season' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    count(*) filter (where e_coli_per_100_ml <= 100)::numeric as numerator,
    count(*)::numeric as denominator
from summers
where
    e_coli_per_100_ml is not null
    and collected_on between summer_start and summer_end
    and summer_end <= newest_day
group by summer_start
