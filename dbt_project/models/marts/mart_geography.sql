-- Every area that a figure may be about. Each lies in the area named as its parent; the two neighbourhood models cover the
-- same ground and do not lie in wards.
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
    designations.designation,
    designations.designation = 'improvement_area' as is_improvement_area,
    areas.valid_from,
    areas.valid_to,
    areas.valid_to is null as is_current
from areas
left join {{ ref('int_neighbourhood_designation') }} as designations
    on
        areas.geography_type = designations.geography_type
        and areas.geography_code = designations.geography_code
