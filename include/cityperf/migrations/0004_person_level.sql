-- Which landed files are sealed, which bytes were deleted after their time, and where raw's rows of those are kept.

alter table ops.landed_file
add column sealed_with text,                            -- id of the key that the bytes are encrypted with; null: plain
add column expired_on date,                             -- night on which the bytes were deleted: only this row is left
add column expired_why text;

-- Rows of raw whose file is no more in landing: <profile>/backup/<dataset>/<file_id>.csv.gz.sealed
create table ops.raw_backup (
    file_id bigint primary key references ops.landed_file (file_id),
    night   date not null,                              -- on which it was made
    rows    bigint not null,
    bytes   bigint not null
);
grant select on ops.raw_backup to loader, transformer, publisher;
grant insert, update, delete on ops.raw_backup to loader;
