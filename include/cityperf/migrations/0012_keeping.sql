-- What becomes of held rows and files, who said so; backups, and drills of them.

alter table quarantine.rows
add column row_number bigint,                           -- the row's number in its file, as raw's _row; null: held before 0012
add column loaded_by  bigint references ops.batch (batch_id);  -- the batch that brought the row into raw; null: it is out
create unique index rows_once on quarantine.rows (file_id, night, row_number);

-- Decisions of stewards, never changed; only what came of one is added.
create table quarantine.decision (
    decision_id   bigint generated always as identity primary key,
    kind          text not null check (kind in ('row', 'file')),
    quarantine_id bigint not null,                       -- in quarantine.rows or quarantine.files
    dataset       text not null,
    file_id       bigint,
    row_number    bigint,
    decision      text not null check (decision in ('released', 'discarded')),
    was           text not null,                         -- the state before it
    decided_by    text not null,
    decided_on    date not null,                         -- Toronto date
    reason        text not null check (btrim(reason) <> ''),
    outcome       text,                                  -- what came of it, in words
    settled_on    date                                   -- null: the next refresh carries it out
);
create index on quarantine.decision (kind, quarantine_id);
create index on quarantine.decision (dataset) where settled_on is null;

-- Rows in = loaded + held + discarded + released but not loaded yet, for each file by its latest load. Of a file of
-- which other deliveries stand for some periods, rows of those are loaded nowhere and counted in nothing: left out here.
create view quarantine.reconciliation as
select
    b.dataset,
    b.file_id,
    b.batch_id,
    b.rows_in,
    b.rows_loaded,
    coalesce(q.held, 0) as rows_held,
    coalesce(q.discarded, 0) as rows_discarded,
    coalesce(q.waiting, 0) as rows_released_waiting,
    b.rows_in - b.rows_loaded - coalesce(q.held + q.discarded + q.waiting, 0) as difference
from (
    select distinct on (file_id) *
    from ops.batch
    where state in ('loaded', 'superseded') and rows_in is not null
    order by file_id, batch_id desc
) as b
left join (
    select
        file_id,
        count(distinct row_number) filter (where state = 'held') as held,
        count(distinct row_number) filter (where state = 'discarded') as discarded,
        count(distinct row_number) filter (where state = 'released' and loaded_by is null) as waiting
    from quarantine.rows
    group by file_id
) as q on b.file_id = q.file_id
where
    (b.periods_in is null or b.periods_in <@ (b.periods || coalesce(b.periods_confirmed, '{}')))
    and not exists (select from quarantine.rows as r where r.file_id = b.file_id and r.row_number is null);

-- Held rows and files in one list, by the ids that people use: R12 is a row, F3 a file.
create view quarantine.item as
select
    'R' || q.quarantine_id as id, 'row' as kind, q.quarantine_id, q.dataset, q.file_id, f.name, q.night, q.state,
    q.row_number, q.line, q.sheet, q.column_name, q.expected, q.found, q.reason, q.record, null as remedy,
    q.loaded_by is not null as is_loaded
from quarantine.rows as q
left join ops.landed_file as f on q.file_id = f.file_id
union all
select
    'F' || q.quarantine_id, 'file', q.quarantine_id, q.dataset, q.file_id, q.name, q.night, q.state,
    null, null, null, null, q.expected, q.found, q.reason, null, q.remedy,
    exists (
        select from ops.batch as b
        where b.file_id = q.file_id and b.state in ('loaded', 'superseded') and b.rows_loaded is not null
    )
from quarantine.files as q;

-- Whole backups, and drills: what was restored elsewhere and compared.
create table ops.backup (
    name       text primary key,                         -- folder below the one that backups are kept in
    kept_in    text not null,
    made_on    date not null,                            -- Toronto date
    made_at    timestamptz not null,
    files      bigint not null,
    bytes      bigint not null,
    new_files  bigint not null,                          -- that the backup before had not
    new_bytes  bigint not null,
    table_rows bigint not null,
    seconds    numeric not null,
    removed_on date
);
create table ops.backup_drill (
    drill_id bigint generated always as identity primary key,
    name     text not null,
    drilled_on date not null,
    is_equal boolean not null,
    tables   integer not null,                           -- whose rows were hashed after the restore
    files    bigint not null,                            -- whose SHA-256 was compared
    seconds  numeric not null,
    found    text not null
);

-- What retention removed, and why it was allowed to.
create table ops.removal (
    removal_id bigint generated always as identity primary key,
    night      date not null,
    what       text not null,                            -- rule of include/retention.yml
    items      bigint not null,
    bytes      bigint not null default 0
);

grant select on quarantine.decision, quarantine.reconciliation, quarantine.item, ops.backup, ops.backup_drill, ops.removal
to loader, transformer, publisher;
grant insert on quarantine.decision to loader;
grant update (outcome, settled_on) on quarantine.decision to loader;
grant insert, update on ops.backup to loader;
grant insert on ops.backup_drill, ops.removal to loader;
