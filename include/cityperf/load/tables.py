"""The raw tables themselves: made from the contracts, every column text, with comments for people."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from cityperf.load.batch import columns_of
from cityperf.sources import Contract

_META_COMMENTS = {
    "_file_id": "The landed file this row came in: ops.landed_file.",
    "_row": "Number of the record in its file, from 1.",
    "_sheet": "Sheet of the workbook, if it came in one.",
    "_period": "Business period that a delivery replaces as a whole.",
    "_night": "Night on which the row was delivered.",
}


def ensure(db: psycopg.Connection[Any], contract: Contract) -> None:
    """Make or extend raw.<dataset>. Does nothing, and takes no lock, when all is there."""
    wanted = [str(column.name) for column in contract.raw_columns]
    there = set(columns_of(db, contract.table))
    lacking = [name for name in wanted if name not in there]
    if personal := there & {str(column.name) for column in contract.named_columns if column.personal}:
        drops = sql.SQL(", ").join(
            sql.SQL("drop column {}").format(sql.Identifier(p)) for p in sorted(personal)
        )
        db.execute(sql.SQL("alter table {} {}").format(sql.Identifier("raw", contract.table), drops))
    if there and not lacking:
        return
    table = sql.Identifier("raw", contract.table)
    with db.transaction():
        if there:
            adds = sql.SQL(", ").join(
                sql.SQL("add column {} text").format(sql.Identifier(name)) for name in lacking
            )
            db.execute(sql.SQL("alter table {} {}").format(table, adds))
        else:
            _create(db, contract, table, wanted)
        _comment(db, contract, table, lacking)


def drop(db: psycopg.Connection[Any], contract: Contract) -> None:
    """Remove the rows. A table of periods loses its partitions; its columns and rights stay in both cases."""
    table = sql.Identifier("raw", contract.table)
    if contract.partition is None:
        db.execute(sql.SQL("truncate table {}").format(table))
        return
    children = db.execute(
        "select c.relname from pg_inherits as i join pg_class as c on c.oid = i.inhrelid "
        "where i.inhparent = to_regclass(%s)",
        (f"raw.{contract.table}",),
    ).fetchall()
    for (name,) in children:
        db.execute(sql.SQL("drop table {}").format(sql.Identifier("raw", name)))


def _create(db: psycopg.Connection[Any], contract: Contract, table: sql.Identifier, names: list[str]) -> None:
    columns: list[sql.Composable] = [sql.SQL("{} text").format(sql.Identifier(name)) for name in names]
    columns += [sql.SQL("_file_id bigint not null"), sql.SQL("_row bigint not null"), sql.SQL("_sheet text")]
    if contract.partition:
        columns.append(sql.SQL("_period text not null"))
    columns.append(sql.SQL("_night date not null"))
    by = sql.SQL(" partition by list (_period)") if contract.partition else sql.SQL("")
    db.execute(sql.SQL("create table {} ({}){}").format(table, sql.SQL(", ").join(columns), by))
    if contract.partition is None:
        # staging asks for the current delivery among all that were kept
        db.execute(sql.SQL("create index on {} (_file_id)").format(table))


def _comment(
    db: psycopg.Connection[Any], contract: Contract, table: sql.Identifier, names: list[str]
) -> None:
    licence = contract.licence or "none known: not to leave the warehouse"
    text = f"{contract.title}. {contract.description} Owner: {contract.owner.division}. Licence: {licence}."
    db.execute(sql.SQL("comment on table {} is {}").format(table, sql.Literal(text)))
    said = {}
    for column in contract.raw_columns:
        heading = " / ".join(column.header) if column.header else column.path or str(column.name)
        said[str(column.name)] = f"{column.description or heading} ({column.type}, as delivered)"
    for name in names:
        db.execute(
            sql.SQL("comment on column {} is {}").format(
                sql.Identifier("raw", contract.table, name), sql.Literal(said[name])
            )
        )
    meta = [name for name in _META_COMMENTS if name != "_period" or contract.partition]
    for name in meta:
        db.execute(
            sql.SQL("comment on column {} is {}").format(
                sql.Identifier("raw", contract.table, name), sql.Literal(_META_COMMENTS[name])
            )
        )
