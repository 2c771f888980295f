-- Steps of processes that the warehouse itself sees, by quarter: how many units entered a step, how many failed for good
-- and how many passed only later. Hand-ins of divisions, a unit being a file: it is accepted or refused, and each of its
-- rows is accepted or held. Rows handed in, a unit being a row of a file's first load. Requests, a unit being a request
-- that is answered or due: its measure is the days from the due day to the answer, and late is above 0.
with files as (
    select
        landed.dataset,
        landed.name,
        landed.file_id,
        batches.batch_id,
        batches.state,
        batches.night,
        batches.rows_in,
        batches.rows_quarantined
    from {{ source('ops', 'batch') }} as batches
    inner join {{ source('ops', 'landed_file') }} as landed on batches.file_id = landed.file_id
    where
        batches.state in ('loaded', 'superseded', 'quarantined')
        -- The name of a hand-in ends in the day it reflects.
        and landed.name ~* '_\d{4}-\d{2}-\d{2}\.xlsx$'
),

attempts as (
    select
        *,
        row_number() over (partition by dataset, name order by night, batch_id) as attempt,
        bool_or(state <> 'quarantined') over (partition by dataset, name) as is_accepted
    from files
),

first_loads as (
    select distinct on (dataset, name) *
    from attempts
    where state <> 'quarantined'
    order by dataset, name, attempt
),

held as (
    select
        batch_id,
        count(*) filter (where state <> 'released') as rows_held,
        count(*) filter (where state = 'released') as rows_released
    from {{ source('quarantine', 'rows') }}
    group by batch_id
),

hand_ins as (
    select
        first_attempt.dataset,
        date_trunc('quarter', first_attempt.night)::date as quarter_start,
        first_attempt.is_accepted,
        first_attempt.state <> 'quarantined' as is_accepted_at_once,
        coalesce(first_loads.rows_in, 0) as rows_in,
        coalesce(held.rows_held, 0) as rows_held,
        coalesce(held.rows_released, 0) as rows_released
    from attempts as first_attempt
    left join first_loads
        on
            first_attempt.dataset = first_loads.dataset
            and first_attempt.name = first_loads.name
    left join held on first_loads.batch_id = held.batch_id
    where first_attempt.attempt = 1
),

requests as (
    select
        division,
        date_trunc('quarter', due_on)::date as quarter_start,
        answered_on - due_on as days_late,
        is_within_standard
    from {{ ref('int_request_results') }}
    where status <> 'withdrawn' and (answered_on is not null or due_on <= last_day)
)

select
    'hand_in' as process,
    dataset as subject,
    quarter_start,
    1 as step,
    'file accepted' as step_name,
    count(*) as units,
    count(*) filter (where not is_accepted) as defects,
    count(*) filter (where is_accepted and not is_accepted_at_once) as rework,
    null::numeric as mean,
    null::numeric as deviation,
    null::numeric as lower_limit,
    null::numeric as upper_limit
from hand_ins
group by dataset, quarter_start
union all
select
    'hand_in' as process,
    dataset as subject,
    quarter_start,
    2 as step,
    'every row accepted' as step_name,
    count(*) as units,
    count(*) filter (where rows_held > 0) as defects,
    count(*) filter (where rows_held = 0 and rows_released > 0) as rework,
    null::numeric as mean,
    null::numeric as deviation,
    null::numeric as lower_limit,
    null::numeric as upper_limit
from hand_ins
group by dataset, quarter_start
union all
select
    'hand_in_row' as process,
    dataset as subject,
    quarter_start,
    1 as step,
    'row accepted' as step_name,
    sum(rows_in)::bigint as units,
    sum(rows_held)::bigint as defects,
    sum(rows_released)::bigint as rework,
    null::numeric as mean,
    null::numeric as deviation,
    null::numeric as lower_limit,
    null::numeric as upper_limit
from hand_ins
group by dataset, quarter_start
having sum(rows_in) > 0
union all
select
    'request' as process,
    coalesce(division, 'All divisions') as subject,
    quarter_start,
    1 as step,
    'answered within its standard' as step_name,
    count(*) as units,
    count(*) filter (where not is_within_standard) as defects,
    0::bigint as rework,
    trim_scale(avg(days_late)) as mean,
    stddev_samp(days_late) as deviation,
    null::numeric as lower_limit,
    0::numeric as upper_limit
from requests
group by grouping sets ((division, quarter_start), (quarter_start))
