-- Editions of the Corporate Performance Report as they were frozen: written in the transaction that put their release
-- up, and never again. The columns are those of the published tables that bear the same names.
create table ops.report_edition (
    edition_id     text primary key,
    title_en       text not null,
    title_fr       text not null,
    summary_en     text not null,
    summary_fr     text not null,
    period_start   date not null,
    period_end     date not null,
    as_of          date not null,                    -- it froze with the first release of this night or a later one
    signed_off_by  text not null,
    signed_off_on  date not null,
    night          date not null,                    -- of the release that froze it
    release_number integer not null references ops.release
);

create table ops.report_edition_figure (
    edition_id        text not null references ops.report_edition,
    kpi_id            text not null,
    place             integer not null,
    section_place     integer not null,
    report_section    text not null,
    section_name_en   text not null,
    section_name_fr   text not null,
    perspective       text,
    objective         text,
    objective_name_en text,
    objective_name_fr text,
    dimension         text not null,
    measure_type      text,
    name_en           text not null,
    name_fr           text not null,
    definition_en     text not null,
    definition_fr     text not null,
    unit              text not null,
    decimals          integer not null,
    direction         text not null,
    owner             text not null,
    kpi_version       integer not null,
    geography_type    text not null,
    geography_code    text not null,
    period_grain      text,
    period_start      date,
    period_label_en   text,
    period_label_fr   text,
    value             numeric,
    vintage           date,
    comparison        text,
    compared_value    numeric,
    change            numeric,
    change_unit       text,
    trend             text,
    status            text not null,
    target_value      numeric,
    target_change     numeric,
    target_status     text,
    is_target_met     boolean,
    variation         text,
    special_cause     text,
    assurance         text,
    note_en           text,
    note_fr           text,
    target_type       text,
    target_low        numeric,
    target_high       numeric,
    primary key (edition_id, kpi_id)
);

-- Nobody changes or takes back what was frozen, not even the tables' owner by mistake.
create function ops.refuse_change_of_edition() returns trigger language plpgsql as $$
begin
    raise exception
        'expected edition % to stay as it was frozen, found an attempt to % a row of ops.%; later figures show beside '
        'it by themselves, and a correction is an edition of its own',
        old.edition_id, lower(tg_op), tg_table_name
        using errcode = 'integrity_constraint_violation';
end
$$;
create trigger stays_frozen before update or delete on ops.report_edition
for each row execute function ops.refuse_change_of_edition();
create trigger stays_frozen before update or delete on ops.report_edition_figure
for each row execute function ops.refuse_change_of_edition();

grant select on ops.report_edition, ops.report_edition_figure to loader, transformer, publisher;
grant insert on ops.report_edition, ops.report_edition_figure to publisher;
