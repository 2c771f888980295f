-- Disclosure control: what of each published table is hidden, and what earlier releases showed. Written by cityperf.privacy
-- between marts and publish; a figure that is hidden stands in none of these tables.
create table ops.disclosure (                           -- what publish models read: a row without an entry is hidden whole
    table_name text not null,
    row_key    jsonb not null,                          -- the key's columns by name
    hidden     text[] not null,                         -- columns
    rounded    jsonb not null default '{}',             -- measures that are randomly rounded, as published
    primary key (table_name, row_key)
);

create table ops.disclosure_cell (                      -- the same cell by cell, as it will be published
    table_name  text not null,
    row_key     jsonb not null,
    measure     text not null,
    reason      text check (reason in ('primary', 'secondary', 'difference')),  -- why it is hidden; null: shown
    threshold   integer not null,
    value_tag   text not null,                          -- keyed hash: equal figures, equal tags
    shown_value numeric,                                -- null: hidden
    block       text,                                   -- what the decision rests on: the same is not worked out again
    primary key (table_name, row_key, measure),
    check ((reason is null) = (shown_value is not null))
);

create table ops.disclosure_total (                     -- sums of cells that other tables show
    table_name text not null,
    measure    text not null,
    total      text not null,                           -- which of the sums that the table declares, and its group
    value      numeric not null,
    primary key (table_name, measure, total)
);

create table ops.disclosure_past (                      -- what releases made of each cell
    table_name   text not null,
    row_key      jsonb not null,
    measure      text not null,
    is_hidden    boolean not null,
    value_tag    text not null,
    shown_value  numeric,
    first_number integer not null,                      -- first and last release that had it so
    last_number  integer not null,
    primary key (table_name, row_key, measure, is_hidden, value_tag)
);

create table ops.suppression (                          -- the journal: every cell that a candidate hides, and why
    number     integer not null,                        -- of the candidate, which becomes that of the release
    night      date not null,
    table_name text not null,
    cell       jsonb not null,
    measure    text not null,
    reason     text not null check (reason in ('primary', 'secondary', 'difference')),
    threshold  integer not null,
    primary key (number, table_name, cell, measure)
);

-- In the transaction in which a release goes up; a rollback brings tables back that were remembered already.
create function ops.remember_disclosure() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if (to_jsonb(new) ->> 'repeats') is null then
        insert into ops.disclosure_past
        (table_name, row_key, measure, is_hidden, value_tag, shown_value, first_number, last_number)
        select table_name, row_key, measure, reason is not null, value_tag, shown_value, new.number, new.number
        from ops.disclosure_cell
        on conflict (table_name, row_key, measure, is_hidden, value_tag)
        do update set last_number = excluded.last_number, shown_value = excluded.shown_value;
    end if;
    return null;
end
$$;
revoke all on function ops.remember_disclosure() from public;
create trigger remember_disclosure after update of state on ops.release
for each row when (new.state = 'released' and old.state is distinct from 'released')
execute function ops.remember_disclosure();

grant select on ops.disclosure, ops.disclosure_cell, ops.disclosure_total, ops.disclosure_past, ops.suppression
to loader, transformer, publisher;
grant insert, update, delete
on ops.disclosure, ops.disclosure_cell, ops.disclosure_total, ops.disclosure_past, ops.suppression to transformer;
