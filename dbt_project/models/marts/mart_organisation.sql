-- Every name that a division, office or agency goes by or went by, each with the division that it stands for today.
-- KPIs name their owners as their sources do: with "and" for "&", or with a name that no budget has.
with listed as (
    select * from {{ ref('int_organisation') }}
),

owners as (
    select distinct owner as organisation_name
    from {{ ref('mart_kpi') }}
)

select
    name_as_found as organisation_name,
    division_code,
    division_name,
    kind,
    name_role,
    is_current_name,
    valid_from,
    valid_to
from listed
union all
select
    owners.organisation_name,
    named.division_code,
    coalesce(named.division_name, owners.organisation_name) as division_name,
    named.kind,
    case when named.division_code is null then 'unlisted' else 'alias' end as name_role,
    false as is_current_name,
    null::date as valid_from,
    null::date as valid_to
from owners
left join listed as named
    on {{ organisation_key('owners.organisation_name') }} = named.name_key
where owners.organisation_name not in (select listed.name_as_found from listed)
