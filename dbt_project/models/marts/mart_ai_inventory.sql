-- Uses of AI by risk class, and what still lacks a privacy assessment, by division and in all.
with uses as (
    select
        history.*,
        status in ('pilot', 'in_use') as is_running
    from {{ ref('int_ai_use_cases_history') }} as history
    where is_latest and not is_removed
)

select
    case when grouping(division) = 1 then 'All divisions' else division end as division,
    case when grouping(risk_class) = 1 then 'All classes' else risk_class end as risk_class,
    count(*)::integer as use_cases,
    count(*) filter (where status = 'idea')::integer as ideas,
    count(*) filter (where status = 'pilot')::integer as pilots,
    count(*) filter (where status = 'in_use')::integer as in_use,
    count(*) filter (where status in ('retired', 'rejected'))::integer as ended,
    count(*) filter (where is_running and personal_information)::integer as running_with_personal_information,
    count(*) filter (where is_running and personal_information and privacy_assessment = 'Completed')::integer
        as assessed,
    count(*) filter (where is_running and personal_information and privacy_assessment <> 'Completed')::integer
        as assessment_missing,
    {{
        ratio(
            "count(*) filter (where is_running and personal_information and privacy_assessment = 'Completed')",
            'count(*) filter (where is_running and personal_information)',
        )
    }} as assessed_share,
    count(*) filter (where is_running and review_on < as_of)::integer as review_overdue,
    max(as_of) as as_of
from uses
group by grouping sets ((division, risk_class), (division), (risk_class), ())
having count(*) > 0
