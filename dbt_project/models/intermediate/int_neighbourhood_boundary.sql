-- Corners are moved to a grid of 0.0005 degrees (about 50 m) and repeats left out, which makes the shapes a sixth as long.
-- Neighbours share their corners, and equal corners move alike: no gap opens between two areas and none overlap. A ring with
-- less than three corners left is smaller than the grid and falls away.
with drawn as (
    select
        'neighbourhood_140' as geography_type,
        neighbourhood_code as geography_code,
        boundary::jsonb as shape
    from {{ ref('stg_city_planning__neighbourhoods_140') }}
    union all
    select
        'neighbourhood_158' as geography_type,
        neighbourhood_code as geography_code,
        boundary::jsonb as shape
    from {{ ref('stg_city_planning__neighbourhoods') }}
),

shapes as (
    select
        geography_type,
        geography_code,
        case shape ->> 'type'
            when 'MultiPolygon' then shape -> 'coordinates'
            when 'Polygon' then jsonb_build_array(shape -> 'coordinates')
        end as parts
    from drawn
),

corners as (
    select
        shapes.geography_type,
        shapes.geography_code,
        part.place as part_place,
        ring.place as ring_place,
        corner.place as corner_place,
        round((corner.value ->> 0)::numeric / 0.0005) * 0.0005 as longitude,
        round((corner.value ->> 1)::numeric / 0.0005) * 0.0005 as latitude
    from shapes
    cross join lateral jsonb_array_elements(shapes.parts) with ordinality as part (value, place)
    cross join lateral jsonb_array_elements(part.value) with ordinality as ring (value, place)
    cross join lateral jsonb_array_elements(ring.value) with ordinality as corner (value, place)
),

marked as (
    select
        *,
        coalesce(
            (longitude, latitude) = lag((longitude, latitude)) over (
                partition by geography_type, geography_code, part_place, ring_place order by corner_place
            ),
            false
        ) as is_repeat
    from corners
),

rings as (
    select
        geography_type,
        geography_code,
        part_place,
        ring_place,
        jsonb_agg(
            jsonb_build_array(trim_scale(longitude), trim_scale(latitude)) order by corner_place
        ) as ring
    from marked
    where not is_repeat
    group by geography_type, geography_code, part_place, ring_place
    having count(*) > 3
),

parts as (
    select
        geography_type,
        geography_code,
        part_place,
        jsonb_agg(ring order by ring_place) as part
    from rings
    group by geography_type, geography_code, part_place
)

select
    geography_type,
    geography_code,
    replace(
        jsonb_build_object('type', 'MultiPolygon', 'coordinates', jsonb_agg(part order by part_place))::text, ' ', ''
    ) as boundary
from parts
group by geography_type, geography_code
