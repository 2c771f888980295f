-- The two schemas of a release: readers see `publish`, the next release grows in `publish_next`. A swap renames
-- them, and the rights travel with the schema, so each swap makes its own: see cityperf.publish.swap.
-- The role that runs this may be an ordinary one that owns the database and is a member of the roles named here.

create schema if not exists publish authorization publisher;
create schema if not exists publish_next authorization publisher;
grant usage, create on schema publish_next to transformer;
grant usage on schema publish to transformer, bi_reader;

-- dbt makes the tables as transformer, so only transformer can hand out rights on them. These functions run as
-- transformer and do just that much; publisher does not become a member of transformer.

-- Tables made in publish_next from now on can be read and locked by publisher. TRUNCATE stands for the right to lock
-- a table against readers for the moment of the swap; as the schema's owner publisher could drop the table anyway.
create or replace function ops.prepare_candidate() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    alter default privileges in schema publish_next grant select, truncate on tables to publisher;
end
$$;

-- Each table's comment begins with a notice (sample figures are invented, and say so wherever they are seen).
create or replace function ops.mark_candidate(notice text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    each record;
begin
    for each in
        select c.relname, obj_description(c.oid, 'pg_class') as said
        from pg_class as c
        where c.relnamespace = 'publish_next'::regnamespace and c.relkind in ('r', 'p')
        order by c.relname
    loop
        if not starts_with(coalesce(each.said, ''), notice) then
            execute format(
                'comment on table publish_next.%I is %L', each.relname, concat_ws('. ', notice, each.said)
            );
        end if;
    end loop;
end
$$;

-- The candidate's tables become readable for BI tools, as part of the swap.
create or replace function ops.open_candidate_to_readers() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    grant select on all tables in schema publish_next to bi_reader;
end
$$;

-- The release that is up says that a newer one is held back, and why; null takes the mark off again.
create or replace function ops.mark_release_stale(reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (
        select from pg_attribute as a
        where
            a.attrelid = to_regclass('publish.release')
            and a.attname = 'stale_reason'
            and not a.attisdropped
    ) then
        execute
            'update publish.release set stale_reason = $1 '
            'where number = (select max(number) from publish.release) and stale_reason is distinct from $1'
            using reason;
    end if;
end
$$;

grant create on schema ops to transformer;
alter function ops.prepare_candidate() owner to transformer;
alter function ops.mark_candidate(text) owner to transformer;
alter function ops.open_candidate_to_readers() owner to transformer;
alter function ops.mark_release_stale(text) owner to transformer;
revoke create on schema ops from transformer;

revoke all on function ops.prepare_candidate() from public;
revoke all on function ops.mark_candidate(text) from public;
revoke all on function ops.open_candidate_to_readers() from public;
revoke all on function ops.mark_release_stale(text) from public;
grant execute on function ops.prepare_candidate() to publisher;
grant execute on function ops.mark_candidate(text) to publisher;
grant execute on function ops.open_candidate_to_readers() to publisher;
grant execute on function ops.mark_release_stale(text) to publisher;

-- The first publish_next; every later one is prepared by the swap that makes it.
alter default privileges for role transformer in schema publish_next
grant select, truncate on tables to publisher;
