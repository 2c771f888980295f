-- Which data sets each published table and each KPI is made of, read from dbt's own graph.
with declared as (
    {{ lineage_registry_rows() | indent(4) }}
),

kpis as (
    select
        kpi_id,
        model_name
    from {{ ref('mart_kpi') }}
)

select
    subject_type,
    subject,
    dataset
from declared
where subject_type = 'table'
union all
select
    'kpi' as subject_type,
    kpis.kpi_id as subject,
    declared.dataset
from kpis
inner join declared
    on
        kpis.model_name = declared.subject
        and declared.subject_type = 'model'
