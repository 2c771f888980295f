-- Each resource of the open data catalogue with the parts of its quality score, and the score that the portal last
-- published of it. A resource that is kept as files is not scored by completeness and usability.
with published as (
    select distinct on (package, resource)
        package,
        resource,
        score,
        grade
    from {{ ref('stg_open_data__quality_scores') }}
    where grade is not null
    order by package, resource, recorded_at desc
)

select
    inputs.package,
    inputs.resource,
    inputs.division,
    inputs.store_type,
    inputs.metadata,
    inputs.freshness,
    inputs.accessibility,
    case when inputs.store_type = 'datastore' then inputs.completeness end as completeness,
    case when inputs.store_type = 'datastore' then inputs.usability end as usability,
    concat(
        inputs.metadata_codes,
        inputs.freshness_codes,
        inputs.accessibility_codes,
        inputs.completeness_codes,
        inputs.usability_codes
    ) as codes,
    published.score as published_score,
    published.grade as published_grade
from {{ ref('stg_open_data__quality_inputs') }} as inputs
left join published
    on
        inputs.package = published.package
        and inputs.resource = published.resource
