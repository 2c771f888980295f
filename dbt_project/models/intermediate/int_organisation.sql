select
    named.division_code,
    named.name_as_found,
    {{ organisation_key('named.name_as_found') }} as name_key,
    present.name_as_found as division_name,
    named.name_role,
    named.kind,
    named.valid_from,
    named.valid_to,
    named.name_role = 'current' as is_current_name
from {{ ref('divisions') }} as named
inner join {{ ref('divisions') }} as present
    on
        named.division_code = present.division_code
        and present.name_role = 'current'
