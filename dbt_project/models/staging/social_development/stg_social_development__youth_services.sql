-- The directory lists one programme of an agency per row, without a number.
with source as (
    {{ current_delivery('wellbeing_youth_services') }}
)

select
    {{ clean_text('agency_name') }} as agency_name,
    {{ clean_text('neighbourhood') }} as neighbourhood_name,
    {{ clean_text('website') }} as website,
    {{ clean_text('eligibility') }} as eligibility,
    {{ clean_text('description_service') }} as service,
    {{ clean_text('application') }} as application,
    {{ clean_text('languages') }} as languages,
    {{ clean_text('accessibility') }} as accessibility,
    {{ clean_text('hours') }} as hours,
    {{ clean_text('legal_status') }} as legal_status,
    {{ epoch_or_date('date_updated') }} as updated_on,
    {{ clean_text('address_full') }} as address,
    left(upper(replace(postal_code, ' ', '')), 3) as forward_sortation_area,
    row_number() over (partition by _file_id, agency_name, description_service, address_full order by _row) > 1
        as is_repeat,
    _file_id,
    _row,
    _night
from source
