with source as (
    {{ current_delivery('catalogue_quality_inputs', ['package', 'resource']) }}
)

select
    package,
    resource,
    {{ clean_text('division') }} as division,
    store_type,
    usability::numeric as usability,
    nullif(usability_code, 'Not Applicable') as usability_codes,
    metadata::numeric as metadata,
    metadata_code as metadata_codes,
    freshness::numeric as freshness,
    freshness_code as freshness_codes,
    substring(freshness_code from 'periods_behind:(\d+)')::integer as periods_behind,
    completeness::numeric as completeness,
    nullif(completeness_code, 'Not Applicable') as completeness_codes,
    accessibility::numeric as accessibility,
    accessibility_code as accessibility_codes,
    _file_id,
    _row,
    _night
from source
