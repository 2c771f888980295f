-- Each recommendation as last handed in. Days past due are counted to the day that the hand-in reflects, from the due date
-- in force; whether it was done on time is asked of the first due date.
with history as (
    select
        *,
        coalesce(revised_due_date, due_date) as due_date_in_force,
        lag(coalesce(revised_due_date, due_date)) over (
            partition by division, recommendation_id order by hand_in
        ) as earlier_due_date
    from {{ ref('int_audit_recommendations_history') }}
),

counted as (
    select
        division,
        recommendation_id,
        count(*) filter (where due_date_in_force > earlier_due_date) as postponements
    from history
    group by division, recommendation_id
),

latest as (
    select
        history.*,
        counted.postponements,
        history.status in ('not_started', 'in_progress') as is_open
    from history
    inner join counted
        on
            history.division = counted.division
            and history.recommendation_id = counted.recommendation_id
    where history.is_latest
)

select
    division,
    recommendation_id,
    report,
    source,
    recommendation,
    priority,
    made_on,
    due_date,
    revised_due_date,
    due_date_in_force,
    postponements::integer as postponements,
    status,
    implemented_on,
    is_open,
    case when is_open then as_of - made_on end as age_days,
    case when is_open and as_of >= due_date_in_force then as_of - due_date_in_force end as days_past_due,
    case when is_open then coalesce({{ days_past_due_band('as_of - due_date_in_force') }}, 'not due') end as ageing,
    case
        when implemented_on is not null then implemented_on <= due_date
        when is_open and due_date < as_of then false
    end as is_on_time,
    is_removed,
    as_of
from latest
