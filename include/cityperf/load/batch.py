"""A batch's own table: made, filled by COPY, checked, and seen by nobody until it is attached.

The table is `raw.batch_<id>`, like the data set's table plus the columns that are new in this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import psycopg
from psycopg import sql

from cityperf.load.header import META
from cityperf.load.quarantined import STOP, BadRow, Quarantined, fingerprint
from cityperf.load.readers import ASK, CHUNK, Bytes, Reader
from cityperf.load.readers.ahead import ahead
from cityperf.load.totals import leave_out
from cityperf.sources import Contract

SHARE: Final = 0.2  # of a file's rows; with more bad ones the file itself is in doubt
MANY: Final = 50_000  # bad rows after which reading on is pointless
ONE_PERIOD: Final = "one_period"  # the constraint that spares ATTACH a look at every row
LONGEST: Final = 1 << 20  # bytes of a line that COPY is given; longer ones are looked at first


@dataclass(frozen=True)
class Batch:
    """A batch under way. `table` is its own table, `target` the data set's."""

    batch_id: int
    contract: Contract
    file_id: int
    name: str
    night: date

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier("raw", self.table_name)

    @property
    def table_name(self) -> str:
        return f"batch_{self.batch_id}"

    @property
    def target(self) -> sql.Identifier:
        return sql.Identifier("raw", self.contract.table)


@dataclass
class Filled:
    """What COPY brought: the number of records read, and those held back."""

    rows_in: int
    held: list[BadRow] = field(default_factory=list)


def fill(db: psycopg.Connection[Any], batch: Batch, reader: Reader, period: str | None) -> Filled:
    """Make the batch's table and fill it, in one transaction that is committed at the end.

    A clean CSV is passed to COPY byte by byte. If COPY refuses it (a ragged row, a byte foreign to the
    encoding), one pass in Python holds those rows back and loads the others. Raises Quarantined if more
    than a fifth is bad.
    """
    _refuse_if_stopped(db, batch)
    # The server logs the line that it refuses, and a column left out stays on its disk: not with persons' data.
    if reader.bytes is not None and batch.contract.privacy.level != "person_level":
        try:
            with db.transaction():
                return _without_others(db, batch, reader, _by_server(db, batch, reader, reader.bytes, period))
        except psycopg.DataError:
            pass  # the pass below finds out which rows COPY did not like
    with db.transaction():
        return _without_others(db, batch, reader, _by_record(db, batch, reader, period))


def _refuse_if_stopped(db: psycopg.Connection[Any], batch: Batch) -> None:
    """Raises Quarantined while another file of the data set is held with the policy `stop`, unless the contract has
    changed since. A delivery that was loaded before is only repeated, and passes.
    """
    row = db.execute(
        "select name, night from quarantine.files as q where dataset = %(dataset)s and state = 'held' "
        "and starts_with(remedy, %(stop)s) and night <= %(night)s and (file_id, name) <> (%(file)s, %(name)s) "
        "and not exists (select 1 from ops.batch as b where b.file_id = %(file)s "
        "and b.state in ('loaded', 'superseded')) order by quarantine_id limit 1",
        {
            "dataset": batch.contract.dataset, "night": batch.night, "file": batch.file_id, "name": batch.name,
            "stop": f"{STOP} (contract {fingerprint(batch.contract)})",
        },
    ).fetchone()  # fmt: skip
    if row is not None:
        raise Quarantined(
            f"no file of {batch.contract.dataset} that stops it",
            f"{row[0]!r}, held on {row[1]}",
            batch.name,
            "look at that file in quarantine.files first; when it is settled, this one is loaded on the next visit",
        )


def _without_others(db: psycopg.Connection[Any], batch: Batch, reader: Reader, filled: Filled) -> Filled:
    """What was filled in, without the rows that are no records."""
    gone = leave_out(db, batch, reader)
    if gone:
        refuse_if_many([], filled.rows_in - gone, batch.name)
    return Filled(filled.rows_in - gone, filled.held)


def make(
    db: psycopg.Connection[Any], batch: Batch, reader: Reader, period: str | None, spare: Iterable[str] = ()
) -> None:
    """The empty table. What is the same for all rows is a default, so that COPY need not be told it each
    time.
    """
    db.execute(sql.SQL("create table {} (like {})").format(batch.table, batch.target))
    sequence = sql.Identifier("raw", f"{batch.table_name}_row")
    db.execute(
        sql.SQL("create sequence {} cache 10000 owned by {}").format(
            sequence, sql.Identifier("raw", batch.table_name, "_row")
        )
    )
    changes: list[sql.Composable] = [
        sql.SQL("alter column _row set default nextval({})").format(
            sql.Literal(f"raw.{batch.table_name}_row")
        ),
        sql.SQL("alter column _file_id set default {}").format(sql.Literal(batch.file_id)),
        sql.SQL("alter column _night set default {}").format(sql.Literal(batch.night)),
    ]
    partition = batch.contract.partition
    if partition and partition.column:
        length = 7 if partition.grain == "month" else 4
        changes.append(sql.SQL("drop column _period"))
        changes.append(
            sql.SQL("add column _period text generated always as (substr(btrim({}), 1, {})) stored").format(
                sql.Identifier(partition.column), sql.Literal(length)
            )
        )
    elif partition:
        changes.append(sql.SQL("alter column _period set default {}").format(sql.Literal(period)))
        changes.append(
            sql.SQL("add constraint {} check (_period = {})").format(
                sql.Identifier(ONE_PERIOD), sql.Literal(period)
            )
        )
    there = set(columns_of(db, batch.contract.table))
    wanted = [*[name for name in reader.columns if name not in there], *spare]
    changes += [sql.SQL("add column {} text").format(sql.Identifier(name)) for name in wanted]
    db.execute(sql.SQL("alter table {} {}").format(batch.table, sql.SQL(", ").join(changes)))


def _by_server(
    db: psycopg.Connection[Any], batch: Batch, reader: Reader, source: Bytes, period: str | None
) -> Filled:
    spare: list[str] = []
    columns: list[str] = []
    for position, target in enumerate(source.targets):
        if target is None:
            spare.append(f"_spare_{position + 1}")
        columns.append(target or spare[-1])
    make(db, batch, reader, period, spare)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL(
        "copy {} ({}) from stdin (format csv, freeze, delimiter {}, encoding {}, force_null ({}))"
    ).format(batch.table, names, sql.Literal(source.delimiter), sql.Literal(source.encoding), names)
    with db.cursor() as cursor:
        with source.open() as stream, cursor.copy(statement) as copy:
            for chunk in _plain_lines(stream, source.delimiter.encode()):
                copy.write(chunk)
        rows = cursor.rowcount
        if rows == 0:
            refuse_if_many([], 0, batch.name)
        unnamed = [f"_spare_{position + 1}" for position in source.unnamed]
        if unnamed:
            stray = sql.SQL(" or ").join(
                sql.SQL("nullif(btrim({}), '') is not null").format(sql.Identifier(name)) for name in unnamed
            )
            if cursor.execute(
                sql.SQL("select 1 from {} where {} limit 1").format(batch.table, stray)
            ).fetchone():
                raise psycopg.DataError("a value in a column without a header")
        if spare:
            drops = sql.SQL(", ").join(
                sql.SQL("drop column {}").format(sql.Identifier(name)) for name in spare
            )
            cursor.execute(sql.SQL("alter table {} {}").format(batch.table, drops))
    return Filled(rows)


def _plain_lines(stream: Any, delimiter: bytes) -> Iterator[bytes]:
    """The bytes without empty lines at their end, which COPY would take for ragged rows.

    What only the Python pass reads well is sent there by psycopg.DataError: a line of only a backslash and a point,
    which ends the data for servers before 18; rows of delimiters and nothing else; a megabyte without a line end.
    """
    blank = re.compile(rb"[\r\n]" + re.escape(delimiter) + rb"+[\r\n]")
    hint = b"\n" + delimiter
    ends, tail = (
        b"",
        b"\n",
    )  # line ends not passed on yet; the last line so far, for what lies across two chunks
    while chunk := stream.read(CHUNK):
        window = tail + chunk
        if b"\\." in window and _END_OF_DATA.search(window):
            raise psycopg.DataError("an end-of-data marker inside the file")
        if hint in window and blank.search(window):
            raise psycopg.DataError("a row without a value")
        line = max(window.rfind(b"\n"), window.rfind(b"\r", -4096), 0)
        if len(window) - line > LONGEST:
            raise psycopg.DataError("a line of gigantic length")
        tail = window[line:][-4096:]
        body = chunk.rstrip(b"\r\n")
        if body:
            yield ends + body if ends else body
            ends = chunk[len(body) :]
        else:
            ends += chunk
    if blank.search(tail + b"\n"):
        raise psycopg.DataError("a row without a value")


_END_OF_DATA: Final = re.compile(rb"[\r\n]\\\.(?:[\r\n]|$)")


def _by_record(db: psycopg.Connection[Any], batch: Batch, reader: Reader, period: str | None) -> Filled:
    make(db, batch, reader, period)
    names = [*reader.columns, "_row", "_sheet"]
    statement = sql.SQL("copy {} ({}) from stdin (format text, null '', freeze)").format(
        batch.table, sql.SQL(", ").join(map(sql.Identifier, names))
    )
    held: list[BadRow] = []
    rows = 0
    with db.cursor() as cursor, cursor.copy(statement) as copy:
        for block in ahead(reader.blocks()):
            rows += block.size
            held += block.held
            if len(held) > MANY:
                break
            copy.write(block.text.encode())
    refuse_if_many(held, rows, batch.name)
    return Filled(rows, held)


def refuse_if_many(held: list[BadRow], rows: int, where: str) -> None:
    """Raises Quarantined when the file has no rows, or when more than a fifth of them are bad."""
    if rows == 0:
        raise Quarantined("at least one row", "a header and nothing below it", where, ASK)
    if len(held) > MANY or len(held) > SHARE * rows:
        first = held[0]
        place = f"line {first.line}" if first.line else f"record {first.row}"
        many = f"{len(held):,} of {rows:,}; the first: {first.reason}, expected {first.expected}"
        raise Quarantined(
            f"at most {SHARE:.0%} of rows that break the contract",
            f"{many}, found {first.found!r}" + (f" in {first.column}" if first.column else ""),
            f"{where}, {f'sheet {first.sheet!r}, ' if first.sheet else ''}{place}",
            "the file as a whole is held; mend it at the source or review the contract",
            many,
        )


def columns_of(db: psycopg.Connection[Any], table: str) -> list[str]:
    """Names of a raw table's columns, without the ones that the loader adds; empty if there is no such
    table.
    """
    rows = db.execute(
        "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not "
        "attisdropped "
        "order by attnum",
        (f"raw.{table}",),
    )
    return [row[0] for row in rows if row[0] not in META]
