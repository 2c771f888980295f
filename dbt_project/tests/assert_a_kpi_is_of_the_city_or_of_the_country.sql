{{ config(severity='error') }}
-- The dashboard shows one figure for the whole: the city's, or the country's of a KPI that is known for the country only.
select kpi_id
from {{ ref('mart_kpi_assessment') }}
where geography_type in ('city', 'country')
group by kpi_id
having count(distinct geography_type) > 1
