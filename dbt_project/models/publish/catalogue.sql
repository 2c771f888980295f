-- One row per published table. Rows are counted in the tables themselves; descriptions, grains and example queries are
-- those of the tables' YAML. `release` is not counted: it grows with every release, and a release whose only news is
-- itself is none.
{%- set tables = {
    'kpi': ref('kpi'),
    'kpi_version': ref('kpi_version'),
    'balanced_scorecard': ref('balanced_scorecard'),
    'kpi_value': ref('kpi_value'),
    'kpi_comparison': ref('kpi_comparison'),
    'kpi_signal': ref('kpi_signal'),
    'kpi_assessment': ref('kpi_assessment'),
    'kpi_forecast': ref('kpi_forecast'),
    'kpi_forecast_trial': ref('kpi_forecast_trial'),
    'scorecard': ref('scorecard'),
    'benchmark': ref('benchmark'),
    'report_card': ref('report_card'),
    'commitment': ref('commitment'),
    'data_quality': ref('data_quality'),
    'quality_grade': ref('quality_grade'),
    'provenance': ref('provenance'),
    'period': ref('period'),
    'geography': ref('geography'),
    'organisation': ref('organisation'),
    'rollup_reconciliation': ref('rollup_reconciliation'),
    'vintage': ref('vintage'),
    'restatement': ref('restatement'),
    'report_edition': ref('report_edition'),
    'report_edition_figure': ref('report_edition_figure'),
    'dimension_scorecard': ref('dimension_scorecard'),
    'neighbourhood_indicator': ref('neighbourhood_indicator'),
    'budget_variance': ref('budget_variance'),
    'survey_result': ref('survey_result'),
    'survey_conformance': ref('survey_conformance'),
    'engagement': ref('engagement'),
    'communication': ref('communication'),
    'partnership': ref('partnership'),
    'project': ref('project'),
    'milestone_progress': ref('milestone_progress'),
    'commitment_progress': ref('commitment_progress'),
    'risk': ref('risk'),
    'audit_ageing': ref('audit_ageing'),
    'request_response': ref('request_response'),
    'service_savings': ref('service_savings'),
    'action_item_ageing': ref('action_item_ageing'),
    'solution_adoption': ref('solution_adoption'),
    'poc_outcome': ref('poc_outcome'),
    'innovation_stint': ref('innovation_stint'),
    'training_result': ref('training_result'),
    'ai_inventory': ref('ai_inventory'),
    'kpi_view': ref('kpi_view'),
    'equity_cut': ref('equity_cut'),
    'kpi_revision': ref('kpi_revision'),
    'composite_index': ref('composite_index'),
    'composite_component': ref('composite_component'),
    'cityscore': ref('cityscore'),
    'cityscore_metric': ref('cityscore_metric'),
    'process_improvement': ref('process_improvement'),
    'suppression_log': ref('suppression_log'),
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
