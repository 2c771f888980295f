-- When the gates were at work: of each delivery at the landing border, and of each candidate at the publish border. Deliveries of
-- several data sets are checked side by side, so a night's share is that of the moments at which any gate was at work.
create table ops.gate_run (
    night    date not null,
    border   text not null check (border in ('landing', 'publish')),
    subject  text not null,                              -- data set; of a candidate: all tables
    began_at timestamptz not null,
    ended_at timestamptz not null check (ended_at >= began_at)
);
create index on ops.gate_run (night);
grant select on ops.gate_run to loader, transformer, publisher;
grant insert, delete on ops.gate_run to loader, publisher;
