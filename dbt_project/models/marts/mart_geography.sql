-- Every area that a figure may be about. Each lies in the area named as its parent; the two neighbourhood models cover the
-- same ground and do not lie in wards, nor do the two models of wards lie in each other. A former area has a successor
-- where one of today covers the same ground: so do 124 of the 140 neighbourhoods and none of the 44 wards, for which no
-- conversion is published.
with areas as (
    select
        geography_type,
        geography_code,
        geography_name,
        valid_from,
        valid_to
    from {{ ref('int_geography') }}
    union all
    select
        'country' as geography_type,
        'canada' as geography_code,
        'Canada' as geography_name,
        null::date as valid_from,
        null::date as valid_to
),

successors as (
    select
        code_140,
        min(relation) as relation,
        bool_and(is_comparable) as is_comparable,
        min(code_158) as code_158
    from {{ ref('int_neighbourhood_conformance') }}
    group by code_140
)

select
    areas.geography_type,
    areas.geography_code,
    areas.geography_name,
    case areas.geography_type
        when 'country' then null
        when 'city' then 'country'
        else 'city'
    end as parent_type,
    case areas.geography_type
        when 'country' then null
        when 'city' then 'canada'
        else 'toronto'
    end as parent_code,
    case
        when areas.geography_type = 'ward_44' then 'no_conversion'
        when areas.geography_type = 'neighbourhood_140' then successors.relation
    end as succession,
    case when successors.is_comparable then 'neighbourhood_158' end as successor_type,
    case when successors.is_comparable then successors.code_158 end as successor_code,
    designations.designation,
    designations.designation = 'improvement_area' as is_improvement_area,
    boundaries.boundary,
    areas.valid_from,
    areas.valid_to,
    areas.valid_to is null as is_current
from areas
left join {{ ref('int_neighbourhood_designation') }} as designations
    on
        areas.geography_type = designations.geography_type
        and areas.geography_code = designations.geography_code
left join {{ ref('int_neighbourhood_boundary') }} as boundaries
    on
        areas.geography_type = boundaries.geography_type
        and areas.geography_code = boundaries.geography_code
left join successors
    on
        areas.geography_type = 'neighbourhood_140'
        and areas.geography_code = successors.code_140
