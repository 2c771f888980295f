-- One row per published table. Rows are counted in the tables themselves; descriptions, grains and example queries are
-- those of the tables' YAML. `release` is not counted: it grows with every release, and a release whose only news is
-- itself is none.
{%- set tables = {
    'kpi': ref('kpi'),
    'kpi_value': ref('kpi_value'),
    'kpi_comparison': ref('kpi_comparison'),
    'kpi_signal': ref('kpi_signal'),
    'kpi_assessment': ref('kpi_assessment'),
    'scorecard': ref('scorecard'),
    'benchmark': ref('benchmark'),
    'report_card': ref('report_card'),
    'commitment': ref('commitment'),
    'data_quality': ref('data_quality'),
    'provenance': ref('provenance'),
} %}

with described as (
    {{ publish_registry_rows() | indent(4) }}
),

counted as (
    {%- for name, relation in tables.items() %}
        select
            '{{ name }}' as table_name,
            count(*) as row_count
        from {{ relation }}
        union all
    {%- endfor %}
    select
        'catalogue' as table_name,
        {{ tables | length + 2 }} as row_count
),

deliveries as (
    select
        lineage.subject as table_name,
        string_agg(lineage.dataset, ', ' order by lineage.dataset) as datasets,
        max(data_quality.last_delivery_night) as fresh_as_of
    from {{ ref('lineage') }} as lineage
    inner join {{ ref('data_quality') }} as data_quality on lineage.dataset = data_quality.dataset
    where lineage.subject_type = 'table'
    group by lineage.subject
),

newest as (
    select max(last_delivery_night) as fresh_as_of from {{ ref('data_quality') }}
)

select
    described.table_name,
    described.description,
    described.grain,
    described.row_key,
    described.owner,
    deliveries.datasets,
    coalesce(deliveries.fresh_as_of, newest.fresh_as_of) as fresh_as_of,
    counted.row_count::bigint as row_count,
    described.example_query
from described
left join counted on described.table_name = counted.table_name
left join deliveries on described.table_name = deliveries.table_name
cross join newest
