-- What a division may see of its own deliveries, by row-level security: docs/decisions/0033-row-level-security.md.
-- Two roles without a login exist before this runs: division_reader, whose members are the divisions' logins, and
-- division_window, which owns the views they read and is itself held by the policies below.

-- Which division a login stands for, and what of each data set is a division's. Divisions go by their code.
create table ops.division_login (
    role_name text primary key,
    division  text not null unique,
    made_at   timestamptz not null default now()
);
create table ops.division_data (                        -- kept from the contracts: cityperf.divisions.keep
    dataset     text not null,
    division    text not null,
    file_key    text not null,                          -- '': all of it; else only files with this part in their name
    is_withheld boolean not null,                       -- about persons: nothing that stood in a file is shown
    primary key (dataset, division, file_key)
);
grant select on ops.division_login, ops.division_data to loader, division_window;
grant insert, update, delete on ops.division_data to loader;

create schema division;
grant usage on schema division to division_reader;
grant usage, create on schema division to division_window;
grant select on ops.landed_file, ops.batch, ops.fetch, ops.check_result, quarantine.rows, quarantine.files
to division_window;

-- The login that asks, whatever role it set since: session_user, as only a superuser can change that.
create view division.data_set with (security_barrier) as
select d.dataset, d.file_key, d.is_withheld
from ops.division_data as d
join ops.division_login as l on d.division = l.division
where l.role_name = session_user::text;

-- Policies. The warehouse's own roles see and write all rows as before; division_window sees those of the login.
do $$
declare
    each text;
begin
    foreach each in array array[
        'ops.landed_file', 'ops.batch', 'ops.fetch', 'ops.check_result', 'quarantine.rows', 'quarantine.files'
    ]
    loop
        execute 'alter table ' || each || ' enable row level security';
        execute 'create policy the_warehouse on ' || each
            || ' to loader, transformer, publisher using (true) with check (true)';
    end loop;
end
$$;
create policy own_division on ops.landed_file for select to division_window using (
    exists (
        select from division.data_set as d
        where
            d.dataset = landed_file.dataset
            and (d.file_key = '' or d.file_key = any(string_to_array(lower(landed_file.name), '_')))
    )
);
create policy own_division on quarantine.files for select to division_window using (
    exists (
        select from division.data_set as d
        where
            d.dataset = files.dataset
            and (d.file_key = '' or d.file_key = any(string_to_array(lower(files.name), '_')))
    )
);
-- What hangs on a file is its division's; these ask landed_file, whose own policy answers.
create policy own_division on ops.batch for select to division_window
using (file_id in (select f.file_id from ops.landed_file as f));
create policy own_division on quarantine.rows for select to division_window
using (file_id in (select f.file_id from ops.landed_file as f));
-- A visit and a check without a batch speak of a data set as a whole.
create policy own_division on ops.fetch for select to division_window
using (dataset in (select d.dataset from division.data_set as d where d.file_key = ''));
create policy own_division on ops.check_result for select to division_window
using (
    case
        when batch_id is not null then batch_id in (select b.batch_id from ops.batch as b)
        else
            border in ('landing', 'freshness')
            and subject in (select d.dataset from division.data_set as d where d.file_key = '')
    end
);

create view division.delivery with (security_barrier) as
select
    b.batch_id, b.night, b.dataset, f.name as file_name, f.sha256, f.retrieved_at, b.state, b.rows_in, b.rows_loaded,
    b.rows_quarantined, b.rows_new, b.rows_changed, b.rows_unchanged, b.message, b.ended_at
from ops.batch as b
join ops.landed_file as f on b.file_id = f.file_id;

create view division.visit with (security_barrier) as
select night, dataset, state, message, attempts, ended_at
from ops.fetch;

create view division.refused_file with (security_barrier) as
select 'F' || quarantine_id as id, night, dataset, name as file_name, expected, found, reason, remedy, state
from quarantine.files;

create view division.held_row with (security_barrier) as
select
    'R' || q.quarantine_id as id, q.night, q.dataset, f.name as file_name, q.sheet, q.line, q.column_name, q.expected,
    case when d.is_withheld then '(withheld)' else q.found end as found,
    q.reason,
    case when d.is_withheld then '(withheld)' else q.record end as record,
    q.state
from quarantine.rows as q
join ops.landed_file as f on q.file_id = f.file_id
join (
    select dataset, bool_or(is_withheld) as is_withheld from division.data_set group by dataset
) as d on q.dataset = d.dataset;

create view division.check_result with (security_barrier) as
select
    c.night, c.border, d.dataset, f.name as file_name, c.check_name, c.severity, c.status, c.expected,
    case when d.is_withheld then '(withheld)' else c.found end as found,
    c.location,
    case when d.is_withheld then '(withheld)' else c.message end as message,
    c.runbook
from ops.check_result as c
join (
    select dataset, bool_or(is_withheld) as is_withheld from division.data_set group by dataset
) as d on c.subject = d.dataset
left join ops.batch as b on c.batch_id = b.batch_id
left join ops.landed_file as f on b.file_id = f.file_id;

comment on view division.data_set is 'Your data sets. file_key: only hand-ins with it in their name are yours.';
comment on view division.delivery is 'Each load of a file of yours: how many rows came, were new, changed, held.';
comment on view division.visit is 'Each night''s visit to the sources of your data sets: landed, unchanged, late, refused and why.';
comment on view division.refused_file is 'Files of yours that were not loaded, why, and what to do.';
comment on view division.held_row is 'Rows of yours that were not loaded, why; values of data about persons are withheld.';
comment on view division.check_result is 'What the checks said of your data sets and deliveries.';

alter view division.data_set owner to division_window;
alter view division.delivery owner to division_window;
alter view division.visit owner to division_window;
alter view division.refused_file owner to division_window;
alter view division.held_row owner to division_window;
alter view division.check_result owner to division_window;
revoke create on schema division from division_window;
grant select on all tables in schema division to division_reader;

-- What is published, as bi_reader has it: the function is that of 0002 with one reader more, and tables that were
-- published before this migration are opened here.
create or replace function ops.open_candidate_to_readers() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    grant select on all tables in schema publish_next to bi_reader, division_reader;
end
$$;
do $$
declare
    each record;
begin
    for each in select nspname from pg_namespace where nspname = 'publish' or nspname ~ '^publish_old_[0-9]+' loop
        execute format('grant select on all tables in schema %I to division_reader', each.nspname);
    end loop;
end
$$;
grant usage on schema publish, as_of to division_reader;
grant execute on all functions in schema as_of to division_reader;

-- Whoever can log in could keep bytes in large objects, read-only or not: nobody here does. An external server's
-- administrator decides there: without his rights these have no effect.
do $$
declare
    each record;
begin
    for each in
        select oid::regprocedure as name from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace and proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import')
    loop
        begin
            execute format('revoke execute on function %s from public', each.name);
        exception when insufficient_privilege then null;
        end;
    end loop;
end
$$;
