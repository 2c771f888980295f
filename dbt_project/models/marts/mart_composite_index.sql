-- Composite indices: weighted means of their parts on the index's scale, 1 to 100 unless its seed says otherwise. The
-- arithmetic mean lets a good part make up for a bad one, the geometric less so, the harmonic least. Ranks and scales are
-- those of one year: a place can fall although nothing in it changed.
with components as (
    select * from {{ ref('mart_composite_component') }}
),

aggregated as (
    select
        index_code,
        geography_type,
        geography_code,
        period_year,
        count(scaled)::integer as components,
        coalesce(sum(weight) filter (where scaled is not null), 0) as weight_used,
        trim_scale(round({{ weighted_arithmetic('scaled', 'weight') }}, 8)) as arithmetic,
        trim_scale(round({{ weighted_geometric('scaled', 'weight') }}, 8)) as geometric,
        trim_scale(round({{ weighted_harmonic('scaled', 'weight') }}, 8)) as harmonic,
        trim_scale(round({{ weighted_arithmetic('between_goalposts', 'weight') }}, 8)) as between_goalposts,
        trim_scale(round({{ weighted_arithmetic('borda', 'weight') }}, 8)) as borda,
        case
            when count(scaled) = 0 then 'no part has a figure that tells areas apart'
            when min(scaled) <= 0 then 'a part is 0 or below: no geometric or harmonic mean'
        end as reason
    from components
    group by index_code, geography_type, geography_code, period_year
),

parts as (
    select
        index_code,
        count(*)::integer as parts
    from {{ ref('index_part') }}
    group by index_code
)

select
    aggregated.index_code,
    indices.name_en,
    indices.name_fr,
    aggregated.geography_type,
    aggregated.geography_code,
    aggregated.period_year,
    aggregated.arithmetic,
    aggregated.geometric,
    aggregated.harmonic,
    aggregated.between_goalposts,
    aggregated.borda,
    case
        when aggregated.arithmetic is not null
            then rank() over (
                partition by aggregated.index_code, aggregated.geography_type, aggregated.period_year
                order by aggregated.arithmetic desc nulls last
            )
    end::integer as rank,
    aggregated.components,
    parts.parts,
    aggregated.weight_used,
    aggregated.reason
from aggregated
inner join {{ ref('index_definition') }} as indices on aggregated.index_code = indices.index_code
inner join parts on aggregated.index_code = parts.index_code
