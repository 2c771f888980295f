-- One row per name of a division, office or agency.
select
    organisation_name,
    division_code,
    division_name,
    kind,
    name_role,
    is_current_name,
    valid_from,
    valid_to
from {{ ref('mart_organisation') }}
