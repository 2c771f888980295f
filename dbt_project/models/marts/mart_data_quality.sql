-- How each data set stands: what it last delivered, what is held back, what its checks say. Checks of the landing gate
-- count for the newest load of each file; a freshness check for its newest run. The night of a check is left out, so that
-- a night without news changes nothing here.
with datasets as (
    {{ dataset_registry_rows() | indent(4) }}
),

batches as (
    select distinct on (batches.dataset, files.name)
        batches.dataset,
        files.name,
        batches.batch_id,
        batches.night
    from {{ source('ops', 'batch') }} as batches
    inner join {{ source('ops', 'landed_file') }} as files on batches.file_id = files.file_id
    where
        batches.state = 'quarantined'
        -- an old file delivered again changes nothing and has no row count
        or (batches.state in ('loaded', 'superseded') and batches.rows_loaded is not null)
    order by batches.dataset, files.name, batches.night desc, batches.batch_id desc
),

-- What stands of each file: a delivery that is held back takes nothing from the one before it.
delivered as (
    select distinct on (batches.dataset, files.name)
        batches.dataset,
        batches.state,
        batches.night,
        batches.rows_loaded
    from {{ source('ops', 'batch') }} as batches
    inner join {{ source('ops', 'landed_file') }} as files on batches.file_id = files.file_id
    where batches.state in ('loaded', 'superseded') and batches.rows_loaded is not null
    order by batches.dataset, files.name, batches.night desc, batches.batch_id desc
),

loads as (
    select
        dataset,
        max(night) as last_delivery_night,
        count(*) filter (where state = 'loaded') as files,
        sum(rows_loaded) filter (where state = 'loaded') as rows_loaded
    from delivered
    group by dataset
),

-- The newest night that brought anything of any data set: what is late is late as of then, so that a night without
-- news changes nothing.
newest as (
    select max(night) as night
    from batches
),

held_rows as (
    select
        dataset,
        -- a row that a steward let in is held until the next refresh has loaded it
        count(*) filter (where state = 'held' or (state = 'released' and loaded_by is null)) as rows_held,
        count(*) filter (where state = 'discarded') as rows_discarded
    from {{ source('quarantine', 'rows') }}
    group by dataset
),

-- A visit that found nothing but what is loaded: what was refused before it stands at the source no more, and no newer
-- figure is held. What a division handed in is taken out of its folder, so that an empty one says nothing.
taken_back as (
    select
        visits.dataset,
        max(visits.night) as night
    from {{ source('ops', 'fetch') }} as visits
    inner join datasets on visits.dataset = datasets.dataset
    where visits.state = 'unchanged' and datasets.connector <> 'drop_folder'
    group by visits.dataset
),

held_files as (
    select
        files.dataset,
        count(distinct files.name) as files_held,
        -- The first since the last good one: a file that is refused night after night is one piece of news.
        min(files.night) filter (
            where
            (loads.last_delivery_night is null or files.night > loads.last_delivery_night)
            and (taken_back.night is null or files.night > taken_back.night)
        ) as held_night
    from {{ source('quarantine', 'files') }} as files
    left join loads on files.dataset = loads.dataset
    left join taken_back on files.dataset = taken_back.dataset
    where files.state = 'held'
    group by files.dataset
),

latest_checks as (
    select
        results.subject as dataset,
        results.border,
        results.status
    from {{ source('ops', 'check_result') }} as results
    inner join batches
        on
            results.batch_id = batches.batch_id
            and results.subject = batches.dataset
    where results.border = 'landing'
    union all
    select
        latest.dataset,
        latest.border,
        latest.status
    from (
        select distinct on (subject, suite, check_name)
            subject as dataset,
            border,
            status
        from {{ source('ops', 'check_result') }}
        where border = 'freshness'
        order by subject, suite, check_name, night desc, check_result_id desc
    ) as latest
),

checks as (
    select
        dataset,
        count(*) filter (where status = 'pass') as checks_passed,
        count(*) filter (where status = 'warn') as checks_warned,
        count(*) filter (where status = 'fail') as checks_failed,
        count(*) filter (where status = 'known') as known_issues,
        max(case status when 'fail' then 3 when 'warn' then 2 when 'known' then 1 else 0 end)
        filter (where border = 'freshness') as worst_freshness
    from latest_checks
    group by dataset
)

select
    datasets.dataset,
    datasets.description,
    datasets.owner,
    datasets.steward,
    datasets.licence,
    datasets.privacy_class,
    datasets.tier,
    loads.last_delivery_night,
    loads.last_delivery_night + datasets.promised_days as next_delivery_due_on,
    greatest(newest.night - loads.last_delivery_night - datasets.promised_days, 0) as late_by_days,
    coalesce(loads.files, 0)::integer as files,
    coalesce(loads.rows_loaded, 0)::bigint as rows_loaded,
    coalesce(held_rows.rows_held, 0)::bigint as rows_quarantined,
    coalesce(held_rows.rows_discarded, 0)::bigint as rows_discarded,
    coalesce(held_files.files_held, 0)::integer as files_quarantined,
    coalesce(checks.checks_passed, 0)::integer as checks_passed,
    coalesce(checks.checks_warned, 0)::integer as checks_warned,
    coalesce(checks.checks_failed, 0)::integer as checks_failed,
    coalesce(checks.known_issues, 0)::integer as known_issues,
    case
        when loads.last_delivery_night is null then 'never_delivered'
        when checks.worst_freshness is null then 'not_checked'
        when checks.worst_freshness = 3 then 'stale'
        when checks.worst_freshness = 2 then 'late'
        when checks.worst_freshness = 1 then 'known_issue'
        else 'fresh'
    end as freshness_state,
    {{ stale_reason(
        'held_files.held_night', 'loads.last_delivery_night', 'loads.last_delivery_night + datasets.promised_days',
        'newest.night - loads.last_delivery_night - datasets.promised_days'
    ) | indent(4) }}
from datasets
cross join newest
left join loads on datasets.dataset = loads.dataset
left join held_rows on datasets.dataset = held_rows.dataset
left join held_files on datasets.dataset = held_files.dataset
left join checks on datasets.dataset = checks.dataset
