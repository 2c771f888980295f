-- What the warehouse knows of itself. Figures never live here.

create schema if not exists ops;
create schema if not exists raw;
create schema if not exists quarantine;

-- One row per Toronto date on which the night was opened. 'missed' rows record nights that downtime swallowed.
create table ops.night (
    night          date primary key,
    state          text not null default 'open'
                   check (state in ('open', 'released', 'unchanged', 'held', 'failed', 'missed')),
    hurry          boolean not null default false,   -- a person is waiting: do not wait for late sources
    opened_at      timestamptz not null default now(),
    closed_at      timestamptz,
    release_number integer,
    note           text
);

-- Bytes as received, once per data set, name and content. The file lies in landing under its SHA-256.
create table ops.landed_file (
    file_id       bigint generated always as identity primary key,
    dataset       text not null,
    name          text not null,
    sha256        text not null check (length(sha256) = 64),
    bytes         bigint not null,
    url           text not null,
    media_type    text,
    etag          text,
    last_modified text,
    source_meta   jsonb not null default '{}',       -- resource id, portal's own timestamps, sheet list ...
    night         date not null,                     -- first night on which it was received
    retrieved_at  timestamptz not null,
    unique (dataset, name, sha256)
);

-- What one night's visit to one source came to. The last attempt of the night wins.
create table ops.fetch (
    night      date not null,
    dataset    text not null,
    state      text not null
               check (state in ('running', 'unchanged', 'landed', 'refused', 'late', 'not_in_replay')),
    message    text,                                 -- expected, found, where, what to do
    files      jsonb not null default '[]',          -- file ids that this visit asks to be loaded
    attempts   integer not null default 1,
    started_at timestamptz not null default now(),
    ended_at   timestamptz,
    primary key (night, dataset)
);

-- The file that stands for each name of a data set now: extraction compares with it.
create table ops.cursor (
    dataset   text not null,
    name      text not null,
    file_id   bigint not null references ops.landed_file,
    night     date not null,
    primary key (dataset, name)
);

-- One load of one file. Rows become visible in raw in the transaction that sets 'loaded'.
create table ops.batch (
    batch_id         bigint generated always as identity primary key,
    dataset          text not null,
    file_id          bigint not null references ops.landed_file,
    night            date not null,
    state            text not null
                     check (state in ('loading', 'loaded', 'quarantined', 'failed', 'superseded')),
    rows_in          bigint,
    rows_loaded      bigint,
    rows_quarantined bigint not null default 0,
    rows_new         bigint,
    rows_changed     bigint,
    rows_unchanged   bigint,
    periods          text[],
    control_total    numeric,
    schema_change    jsonb,                          -- new, missing, retyped columns against the contract
    message          text,
    started_at       timestamptz not null default now(),
    ended_at         timestamptz
);
create index on ops.batch (dataset, night);
create unique index batch_once on ops.batch (file_id, night) where state = 'loaded';

-- One row per check and run, at either border, of freshness, or of dbt.
create table ops.check_result (
    check_result_id bigint generated always as identity primary key,
    night       date not null,
    border      text not null check (border in ('landing', 'freshness', 'transform', 'publish')),
    suite       text not null,
    check_name  text not null,
    subject     text not null,                       -- data set or table
    batch_id    bigint,
    severity    text not null check (severity in ('block', 'warn', 'info')),
    status      text not null check (status in ('pass', 'warn', 'fail', 'known')),
    expected    text not null,
    found       text not null,
    location    text,
    message     text not null,
    owner       text not null,
    runbook     text not null,
    checked_at  timestamptz not null default now()
);
create index on ops.check_result (night, border);

create table ops.release (
    number       integer primary key,
    night        date not null,
    state        text not null check (state in ('candidate', 'released', 'held', 'discarded')),
    content_hash text,
    code_version text not null,
    stale_reason text,                               -- set while a newer night could not be released
    created_at   timestamptz not null default now(),
    released_at  timestamptz
);
create table ops.release_file (
    number integer not null references ops.release,
    path   text not null,
    sha256 text not null,
    bytes  bigint not null,
    primary key (number, path)
);
create table ops.release_input (
    number  integer not null references ops.release,
    file_id bigint not null references ops.landed_file,
    primary key (number, file_id)
);
create table ops.restatement (
    number         integer not null references ops.release,
    kpi_id         text not null,
    geography_type text not null,
    geography_code text not null,
    period_start   date not null,
    old_value      numeric,
    new_value      numeric,
    cause          text not null,
    note           text,
    primary key (number, kpi_id, geography_type, geography_code, period_start)
);
create table ops.approval (
    approval_id bigint generated always as identity primary key,
    subject     text not null,
    decision    text not null check (decision in ('approved', 'rejected', 'timed_out')),
    decided_by  text not null,
    decided_at  timestamptz not null default now(),
    note        text
);
create table ops.known_issue (
    check_name text not null,
    scope      text not null,
    reason     text not null,
    owner      text not null,
    expires    date not null,
    primary key (check_name, scope)
);

-- What each dbt model was last built from; equal fingerprints mean there is nothing to do.
create table ops.model_state (
    model       text primary key,
    fingerprint text not null,
    night       date not null,
    built_at    timestamptz not null default now()
);
-- One row per model and night while dbt runs: the Airflow UI shows each as a task.
create table ops.model_run (
    night      date not null,
    model      text not null,
    state      text not null check (state in ('planned', 'running', 'success', 'error', 'skipped')),
    message    text,
    seconds    double precision,
    updated_at timestamptz not null default now(),
    primary key (night, model)
);

create table quarantine.rows (
    quarantine_id bigint generated always as identity primary key,
    dataset       text not null,
    file_id       bigint not null,
    batch_id      bigint not null,
    night         date not null,
    line          bigint,                            -- line of the file, or row of the sheet
    sheet         text,
    column_name   text,
    expected      text not null,
    found         text,
    reason        text not null,
    record        text not null,                     -- the row as it came
    state         text not null default 'held' check (state in ('held', 'released', 'discarded')),
    held_at       timestamptz not null default now()
);
create index on quarantine.rows (dataset, night);
create table quarantine.files (
    quarantine_id bigint generated always as identity primary key,
    dataset       text not null,
    file_id       bigint,
    name          text not null,
    url           text not null,
    night         date not null,
    expected      text not null,
    found         text not null,
    reason        text not null,
    remedy        text not null,
    state         text not null default 'held' check (state in ('held', 'released', 'discarded')),
    held_at       timestamptz not null default now(),
    unique (dataset, name, file_id, night)
);

-- How each data set stands on a night: the one place that says whether it is in.
create view ops.source_night as
select
    f.night,
    f.dataset,
    case
        when f.state <> 'landed' then f.state
        when b.failed > 0 then 'failed'
        when b.settled < jsonb_array_length(f.files) then 'loading'
        when b.quarantined > 0 then 'refused'
        else 'loaded'
    end as state,
    coalesce(b.message, f.message) as message,
    coalesce(b.rows_in, 0) as rows_in,
    coalesce(b.rows_new, 0) as rows_new,
    coalesce(b.rows_changed, 0) as rows_changed,
    coalesce(b.rows_unchanged, 0) as rows_unchanged,
    coalesce(b.rows_quarantined, 0) as rows_quarantined,
    f.started_at,
    greatest(f.ended_at, b.ended_at) as ended_at
from ops.fetch as f
left join lateral (
    select
        count(*) filter (where latest.state in ('loaded', 'quarantined', 'superseded')) as settled,
        count(*) filter (where latest.state = 'quarantined') as quarantined,
        count(*) filter (where latest.state = 'failed') as failed,
        sum(latest.rows_in)::bigint as rows_in,
        sum(latest.rows_new)::bigint as rows_new,
        sum(latest.rows_changed)::bigint as rows_changed,
        sum(latest.rows_unchanged)::bigint as rows_unchanged,
        sum(latest.rows_quarantined)::bigint as rows_quarantined,
        string_agg(latest.message, ' · ' order by latest.batch_id) as message,
        max(latest.ended_at) as ended_at
    from (
        select distinct on (b.file_id) b.*
        from ops.batch as b
        where
            b.dataset = f.dataset
            and b.night = f.night
            and b.file_id in (select jsonb_array_elements_text(f.files)::bigint)
        order by b.file_id, b.batch_id desc
    ) as latest
) as b on true;

-- Rights. Roles exist before migrations run (cityperf.postgres makes them).
grant usage on schema ops, raw, quarantine to loader, transformer, publisher;
grant create on schema raw to loader;
grant select on all tables in schema ops, quarantine to loader, transformer, publisher;
grant insert, update, delete on all tables in schema ops to loader, publisher;
grant insert, update, delete on ops.model_state, ops.model_run, ops.check_result to transformer;
grant insert, update, delete on all tables in schema quarantine to loader;
alter default privileges for role loader in schema raw grant select on tables to transformer, publisher;
