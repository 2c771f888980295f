-- What makes a release trustworthy: its hash tree, who decided, which periods are closed, and what it said at any date.

alter table ops.release
add column root_hash text,                              -- of the hash tree; null: made before there were trees
add column published_on date,                           -- Toronto date on which it went up, by the night's clock
add column repeats integer references ops.release,      -- a rollback: the release whose tables these are
add column made_by text,                                -- who asked for it; null: the night
add column made_why text;
update ops.release set published_on = night where state = 'released';

-- Leaves of a release's hash tree that are no files: tables, definitions, code. Its files are in ops.release_file, its
-- inputs in ops.release_input.
create table ops.release_node (
    number integer not null references ops.release,
    kind   text not null check (kind in ('table', 'definition', 'code')),
    name   text not null,
    sha256 text not null check (length(sha256) = 64),
    primary key (number, kind, name)
);

-- Every figure that was ever published, with the release that first and the one that no longer said so. The figures of
-- release n: valid_from <= n and (valid_to is null or valid_to > n). Numbers of candidates are higher than all those.
create table ops.published_value (
    kpi_id         text not null,
    kpi_version    integer not null,
    geography_type text not null,
    geography_code text not null,
    period_grain   text not null,
    period_start   date not null,
    vintage        date not null,
    value          numeric,
    numerator      numeric,
    denominator    numeric,
    is_withdrawn   boolean not null,
    is_latest      boolean,
    mark           text,
    valid_from     integer not null,
    valid_to       integer,
    primary key (
        kpi_id, geography_type, geography_code, period_grain, period_start, kpi_version, vintage, valid_from
    )
);
create index on ops.published_value (valid_from, valid_to);
create table ops.published_definition (
    kpi_id     text not null,
    definition jsonb not null,                          -- the row of publish.kpi
    valid_from integer not null,
    valid_to   integer,
    primary key (kpi_id, valid_from)
);

-- A decision is asked for (one open request per release or restatement), and taken by somebody.
create table ops.approval_request (
    request_id   bigint generated always as identity primary key,
    kind         text not null check (kind in ('release', 'restatement')),
    number       integer references ops.release,        -- of the held candidate
    content_hash text,                                  -- what exactly is to be approved
    reason       text not null,                         -- why a person is needed
    authors      text[] not null default '{}',          -- those who may not decide: the change is theirs
    asked_on     date not null,
    state        text not null default 'waiting'
                 check (state in ('waiting', 'approved', 'rejected', 'timed_out', 'superseded')),
    page         text                                   -- path of the page that shows the difference
);
create unique index approval_once on ops.approval_request (number) where state = 'waiting' and kind = 'release';
alter table ops.approval
add column request_id bigint references ops.approval_request,
add column decided_on date,                             -- Toronto date
add column what text;                                   -- what was decided on, in words

-- A closed period: its figures change only through a restatement that somebody named approved.
create table ops.closed_period (
    period_grain  text not null check (period_grain in ('month', 'quarter', 'year')),
    period_start  date not null,
    period_end    date not null,
    closed_on     date not null,
    closed_by     text not null,
    note          text,
    reopened_on   date,
    reopened_by   text,
    reopened_note text,
    primary key (period_grain, period_start)
);

-- A restatement that somebody announces: which KPI's figures will change, why. It counts once it is approved, for one
-- release.
create table ops.restatement_request (
    request_id   bigint primary key references ops.approval_request,
    kpi_id       text not null,
    period_start date not null,
    period_end   date not null,
    cause        text not null check (cause in ('revision', 'late data', 'correction', 'definition')),
    note         text not null,
    requested_by text not null
);

-- Series of two grains may begin on the same day. `size` is in the KPI's unit, `size_percent` against the old figure.
alter table ops.restatement
add column period_grain text not null default '',
add column size numeric generated always as (new_value - old_value) stored,
add column size_percent numeric generated always as (
    case when old_value <> 0 then round(100 * (new_value - old_value) / abs(old_value), 4) end
) stored,
add column request_id bigint references ops.restatement_request,  -- who announced it
drop constraint restatement_pkey,
add primary key (number, kpi_id, geography_type, geography_code, period_grain, period_start);

grant select on
ops.release_node, ops.published_value, ops.published_definition, ops.approval_request, ops.closed_period,
ops.restatement_request
to loader, transformer, publisher;
grant insert, update, delete on
ops.release_node, ops.published_value, ops.published_definition, ops.approval_request, ops.closed_period,
ops.restatement_request
to publisher;

-- What BI tools ask of the past. A schema of its own, which no swap renames; it shows what was published and no more.
create schema as_of;

-- The release that was up at the end of a Toronto date; null before the first.
create function as_of.release(on_date date) returns integer
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select max(number) from ops.release where state = 'released' and published_on <= on_date
$$;

-- The rows of publish.kpi_value as they were published at that date.
create function as_of.kpi_value(on_date date)
returns table (
    kpi_id text, kpi_version integer, geography_type text, geography_code text, period_grain text, period_start date,
    vintage date, value numeric, numerator numeric, denominator numeric, is_withdrawn boolean, is_latest boolean,
    mark text
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select
        v.kpi_id, v.kpi_version, v.geography_type, v.geography_code, v.period_grain, v.period_start, v.vintage,
        v.value, v.numerator, v.denominator, v.is_withdrawn, v.is_latest, v.mark
    from (select as_of.release(on_date) as number) as r
    join ops.published_value as v on v.valid_from <= r.number and (v.valid_to is null or v.valid_to > r.number)
$$;

-- The definitions of publish.kpi as they were published at that date.
create function as_of.kpi(on_date date)
returns table (
    kpi_id text, name_en text, name_fr text, unit text, direction text, version integer, definition jsonb
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select
        d.kpi_id, d.definition ->> 'name_en', d.definition ->> 'name_fr', d.definition ->> 'unit',
        d.definition ->> 'direction', (d.definition ->> 'version')::integer, d.definition
    from (select as_of.release(on_date) as number) as r
    join ops.published_definition as d on d.valid_from <= r.number and (d.valid_to is null or d.valid_to > r.number)
$$;

-- Each figure's published life: from the release (and the date) that first said it to the one that no longer did.
create function as_of.history(of_kpi text)
returns table (
    kpi_version integer, geography_type text, geography_code text, period_grain text, period_start date, value numeric,
    valid_from_release integer, valid_from date, valid_to_release integer, valid_to date
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select
        v.kpi_version, v.geography_type, v.geography_code, v.period_grain, v.period_start, v.value,
        v.valid_from, f.published_on, t.number, t.published_on
    from ops.published_value as v
    join ops.release as f on f.number = v.valid_from and f.state = 'released'
    left join ops.release as t on t.number = v.valid_to and t.state = 'released'
    where v.kpi_id = of_kpi and v.is_latest
$$;

grant create on schema as_of to publisher;
alter function as_of.release(date) owner to publisher;
alter function as_of.kpi_value(date) owner to publisher;
alter function as_of.kpi(date) owner to publisher;
alter function as_of.history(text) owner to publisher;
revoke create on schema as_of from publisher;
grant usage on schema as_of to bi_reader, publisher, transformer;
revoke all on all functions in schema as_of from public;
grant execute on all functions in schema as_of to bi_reader, publisher, transformer;

-- The last day of a period, which is all that tables of figures leave to be worked out.
create function ops.period_end(grain text, period_start date) returns date
language sql immutable as $$
    select (period_start + case grain
        when 'day' then interval '1 day'
        when 'week' then interval '7 days'
        when 'month' then interval '1 month'
        when 'quarter' then interval '3 months'
        when 'season' then interval '3 months'
        else interval '1 year'
    end)::date - 1
$$;

grant create on schema ops to transformer;

-- A candidate that was overtaken by a rollback goes by a higher number, in every table that names its release. As in 0002:
-- only transformer may write these.
create function ops.renumber_candidate(was integer, becomes integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    each record;
begin
    for each in
        select c.relname, a.attname
        from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid and not a.attisdropped
        where
            c.relnamespace = 'publish_next'::regnamespace
            and c.relkind in ('r', 'p')
            and (a.attname = 'release_number' or (c.relname = 'release' and a.attname = 'number'))
    loop
        execute format(
            'update publish_next.%1$I set %2$I = $2 where %2$I = $1', each.relname, each.attname
        ) using was, becomes;
    end loop;
end
$$;

-- The list of releases in a kept schema of tables, before it goes up once more as `becomes`; what was
-- written on the releases while they were up goes.
create function ops.relist_releases(kept text, repeats integer, becomes integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if kept !~ '^publish_old_[0-9]+' then
        raise exception 'expected a retired schema such as publish_old_3, found %', kept;
    end if;
    if to_regclass(format('%I.release', kept)) is not null then
        execute format('delete from %I.release where number > $1', kept) using repeats;
        execute format(
            'insert into %I.release (number, night, code_version) select number, night, code_version '
            'from ops.release where number > $1 and (state = ''released'' or number = $2) order by number', kept
        ) using repeats, becomes;
        execute format(
            'update %I.release as l set stale_reason = '
            '(select r.stale_reason from ops.release as r where r.number = l.number and l.number = $1)', kept
        ) using becomes;
    end if;
end
$$;
alter function ops.renumber_candidate(integer, integer) owner to transformer;
alter function ops.relist_releases(text, integer, integer) owner to transformer;
revoke create on schema ops from transformer;
revoke all on function ops.renumber_candidate(integer, integer) from public;
revoke all on function ops.relist_releases(text, integer, integer) from public;
grant execute on function ops.renumber_candidate(integer, integer) to publisher;
grant execute on function ops.relist_releases(text, integer, integer) to publisher;
