-- Where each KPI's figures stand as of now: what its data sets promise, how late they are, and how good they are. The
-- first to be due, the latest and the worst of them speak for the KPI.
with needed as (
    select
        kpis.kpi_id,
        dataset
    from {{ ref('mart_kpi') }} as kpis
    cross join lateral string_to_table(kpis.sources, ', ') as dataset
)

select
    needed.kpi_id,
    min(datasets.next_delivery_due_on) as next_expected_on,
    max(datasets.late_by_days) as late_by_days,
    string_agg(needed.dataset || ': ' || datasets.stale_reason_en, ' ' order by needed.dataset) as stale_reason_en,
    string_agg(needed.dataset || ' : ' || datasets.stale_reason_fr, ' ' order by needed.dataset) as stale_reason_fr,
    min(grades.score) as quality_score,
    {{ quality_grade_of('min(grades.score)') }} as quality_grade
from needed
left join {{ ref('mart_data_quality') }} as datasets on needed.dataset = datasets.dataset
left join {{ ref('mart_quality_grade') }} as grades
    on
        grades.origin = 'warehouse'
        and needed.dataset = grades.package
group by needed.kpi_id
