-- Jobs that run outside of the night (a backup, a copy to another site) say here that they ran; whoever falls silent is
-- the first thing that the next digest tells.
create table ops.heartbeat (
    job     text primary key check (job ~ '^[a-z][a-z0-9_-]{0,47}$'),
    every   interval not null check (every > interval '0'),  -- how long it may be silent
    last_at timestamptz not null
);
grant select on ops.heartbeat to loader, transformer, publisher;
grant insert, update, delete on ops.heartbeat to publisher;

-- The last visit that brought something, of each data set.
create index on ops.fetch (dataset, night) where state in ('landed', 'refused');
