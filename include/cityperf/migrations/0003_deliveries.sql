-- Which delivery is the later one, what a file brought, what a backfill replaced, how a source said 'unchanged'.

alter table ops.batch
add column stamp text collate "C" not null default '',  -- how new the delivery is: see ops.delivery_stamp
add column periods_in text[],                           -- all periods in the file; `periods`: those of its rows in raw
add column periods_confirmed text[],                    -- it has the same rows for them as what stands already
add column rows_at_source bigint,                       -- as the source counted them; null where it does not
add column is_backfill boolean not null default false;  -- read again from landing, under its own night

alter table ops.fetch
add column unchanged_by text;                           -- etag, last_modified, stamp, hash, watermark: what told us

-- When a night begins, as sortable text in UTC.
create function ops.night_start(night date) returns text
language sql stable as $$
    select to_char(
        ((night + time '02:00') at time zone 'America/Toronto') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS'
    )
$$;

-- How new a delivery is, as sortable text in UTC: when the source says it was modified, else the night's start. A date
-- after the night's end cannot be true: it only orders what came in that night. See decision 0014.
create function ops.delivery_stamp(night date, modified text) returns text
language sql stable as $$
    select case
        when coalesce(modified, '') = '' then ops.night_start(night)
        when
            modified ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}'
            and modified collate "C" <= ops.night_start(night + 1) collate "C"
            then modified
        else ops.night_start(night) || ' ' || modified
    end
$$;

update ops.batch as b
set
    stamp = ops.delivery_stamp(b.night, f.source_meta ->> 'source_modified'),
    periods_in = b.periods
from ops.landed_file as f
where f.file_id = b.file_id;

-- A backfilled delivery has two batches of one night: the first may still stand for other periods.
drop index ops.batch_once;
create unique index batch_once on ops.batch (file_id, night) where state = 'loaded' and not is_backfill;

-- The file that stood for each name of a data set when a night had ended.
create function ops.standing(as_of date)
returns table (dataset text, name text, file_id bigint, night date)
language sql stable as $$
    select distinct on (b.dataset, f.name) b.dataset, f.name, b.file_id, b.night
    from ops.batch as b
    join ops.landed_file as f using (file_id)
    where b.state in ('loaded', 'superseded') and b.night <= as_of
    order by b.dataset, f.name, b.stamp desc, b.night desc, b.batch_id desc
$$;

-- The delivery that stood for each period of a data set when a night had ended.
create function ops.standing_periods(of_dataset text, as_of date)
returns table (period text, file_id bigint, night date)
language sql stable as $$
    select distinct on (brought.period) brought.period, b.file_id, b.night
    from ops.batch as b
    join ops.landed_file as f using (file_id)
    cross join unnest(b.periods_in) as brought (period)
    where b.dataset = of_dataset and b.state in ('loaded', 'superseded') and b.night <= as_of
    order by brought.period, b.stamp desc, b.night desc, f.name collate "C" desc, b.batch_id desc
$$;

-- What a backfill replaced: table raw.kept_<kept_id>, until it is put back or its time is over.
create table ops.kept_partition (
    kept_id     bigint generated always as identity primary key,
    dataset     text not null,
    period      text,                                -- null: a whole delivery of a table that keeps them all
    replaced_by bigint not null references ops.batch (batch_id),
    was_of      bigint references ops.batch (batch_id),
    rows        bigint not null,
    night       date not null,                       -- on which it was replaced
    until       date not null,                       -- last night on which it can be put back
    state       text not null default 'kept' check (state in ('kept', 'restored', 'dropped'))
);
create index on ops.kept_partition (dataset, state);
grant select on ops.kept_partition to loader, transformer, publisher;
grant insert, update, delete on ops.kept_partition to loader, publisher;

-- As before; a backfill does not change how a night's visit went.
create or replace view ops.source_night as
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
            and not b.is_backfill
            and b.file_id in (select jsonb_array_elements_text(f.files)::bigint)
        order by b.file_id, b.batch_id desc
    ) as latest
) as b on true;
