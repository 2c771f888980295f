"""What changed in a register since the division's hand-in before: rows new, changed and gone, statuses moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from pydantic import BaseModel, ConfigDict

from cityperf.handin.words import english
from cityperf.load.batch import columns_of
from cityperf.sources import Contract

Key = tuple[str, ...]
Row = tuple[str | None, ...]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Changed(_Frozen):
    """A row that differs: its key, and for each column that does, by its header, what stood there and what does."""

    key: str
    columns: dict[str, tuple[str | None, str | None]]


class Moved(_Frozen):
    """A row whose status is another one."""

    key: str
    before: str | None
    after: str | None


class Changes(_Frozen):
    """Against the hand-in `since` (its file); `as_of` is that one's date."""

    since: str
    as_of: str
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()
    moved: tuple[Moved, ...] = ()
    unchanged: int = 0


def since_last(
    db: psycopg.Connection[Any],
    contract: Contract,
    rows: sql.Composable,
    file_id: int | None = None,
    night: Any = None,
) -> Changes | None:
    """What differs between `rows`, a table with the columns of raw (or a query in brackets), and the division's
    hand-in before it. None if there is none, or if the rows are about persons.

    The hand-in before is the latest one of an earlier or the same date that was handed in earlier than `file_id` on
    `night`; with no file_id, the latest one of all that are not of a later date.
    """
    if contract.privacy.level == "person_level" or not contract.keys:
        return None
    before = _before(db, contract, rows, file_id, night)
    if before is None:
        return None
    names = compared(db, contract)
    old = sql.SQL("(select * from {} where _file_id = {})").format(
        sql.Identifier("raw", contract.table), sql.Literal(before[0])
    )
    return compare(contract, names, _rows(db, old, names), _rows(db, rows, names), before[1], before[2])


def compared(db: psycopg.Connection[Any], contract: Contract) -> list[str]:
    """The columns that are looked at: all of the table below the header, but for the date that it reflects."""
    there = set(columns_of(db, contract.table))
    return [
        str(column.name)
        for column in contract.named_columns
        if column.name in there
        and not column.personal
        and (column.name in contract.keys or not (column.above or column.name == "as_of"))
    ]


def compare(
    contract: Contract, names: Sequence[str], old: Sequence[Row], new: Sequence[Row], since: str, as_of: str
) -> Changes:
    """What differs between two hand-ins, in order of the key. Rows are values of the columns `names`."""
    before, after = _by_key(contract, names, old), _by_key(contract, names, new)
    labels = {str(column.name): english(column) for column in contract.named_columns}
    register = contract.register
    status = names.index(register.status.column) if register and register.status else None
    changed: list[Changed] = []
    moved: list[Moved] = []
    for key in sorted(before.keys() & after.keys()):
        was, now = before[key], after[key]
        if was == now:
            continue
        if status is not None and was[status] != now[status]:
            moved.append(Moved(key=_shown(contract, key), before=was[status], after=now[status]))
        differ = {
            labels[n]: (was[p], now[p]) for p, n in enumerate(names) if was[p] != now[p] and p != status
        }
        if differ:
            changed.append(Changed(key=_shown(contract, key), columns=differ))
    both = before.keys() & after.keys()
    return Changes(
        since=since,
        as_of=as_of,
        new=tuple(_shown(contract, key) for key in sorted(after.keys() - before.keys())),
        gone=tuple(_shown(contract, key) for key in sorted(before.keys() - after.keys())),
        changed=tuple(changed),
        moved=tuple(moved),
        unchanged=sum(before[key] == after[key] for key in both),
    )


def _before(
    db: psycopg.Connection[Any], contract: Contract, rows: sql.Composable, file_id: int | None, night: Any
) -> tuple[int, str, str] | None:
    """(file_id, file, as_of) of the hand-in that came before these rows."""
    said = next(column for column in contract.named_columns if column.name == "division")
    mine = sql.SQL("where division in (select division from {})").format(rows) if said.above else sql.SQL("")
    earlier = (
        sql.SQL("where (h.night, h._file_id) < ({}, {})").format(sql.Literal(night), sql.Literal(file_id))
        if file_id is not None
        else sql.SQL("where true")
    )
    return db.execute(
        sql.SQL(
            "with h as (select _file_id, max(as_of) as as_of, max(_night) as night from {raw} {mine} group by 1) "
            "select h._file_id, f.name, h.as_of from h join ops.landed_file as f on f.file_id = h._file_id {earlier} "
            "and h.as_of <= (select max(as_of) from {rows} as r) order by h.as_of desc, h.night desc, 1 desc limit 1"
        ).format(raw=sql.Identifier("raw", contract.table), mine=mine, earlier=earlier, rows=rows)
    ).fetchone()


def _rows(db: psycopg.Connection[Any], rows: sql.Composable, names: Sequence[str]) -> list[Row]:
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    return db.execute(sql.SQL("select {} from {} as r").format(columns, rows)).fetchall()


def _by_key(contract: Contract, names: Sequence[str], rows: Sequence[Row]) -> Mapping[Key, Row]:
    places = [names.index(key) for key in contract.keys]
    return {tuple(row[place] or "" for place in places): row for row in rows}


def _shown(contract: Contract, key: Key) -> str:
    """The key as a person would say it: without the division, which all rows of a hand-in share."""
    parts = [part for name, part in zip(contract.keys, key, strict=True) if name != "division"]
    return " / ".join(parts or key)
