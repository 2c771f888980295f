"""A data set as of a night: what stood when that night had ended, deletions and renames included.

A table that keeps every delivery answers by itself (`ops.standing`). Of a table of periods raw has the current
deliveries only: periods that looked otherwise then are read again from landing, aside, with today's contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from cityperf.config import Settings
from cityperf.load.batch import Batch, columns_of

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    from cityperf.sources import Contract


@dataclass(frozen=True)
class _Aside(Batch):
    """A delivery read outside any load; its table lives inside one transaction and is seen by nobody else."""

    backend: int = 0

    @property
    def table_name(self) -> str:
        return f"aside_{self.backend}_{self.file_id}"


@dataclass(frozen=True)
class Change:
    """A row that is new, gone or changed between two nights. `key`: its key columns, or all of them if it has
    none; `before` and `after`: the columns that differ, empty unless it changed.
    """

    kind: Literal["new", "gone", "changed"]
    key: dict[str, str | None]
    before: dict[str, str | None]
    after: dict[str, str | None]


@contextmanager
def as_of(settings: Settings, contract: Contract, night: date) -> Iterator[psycopg.Connection[Any]]:
    """A connection on which the temporary table `as_of` holds the rows that stood when `night` had ended.

    It has the columns of raw and lasts as long as the context. Raises FileQuarantined when a delivery of then
    breaks today's contract, FileNotFoundError when landing lost it, and Expired when it was deleted after its time.
    """
    from cityperf.db import connect

    with connect(settings, "loader") as db:
        _fill(settings, db, contract, night, "as_of")
        yield db
        db.rollback()


def changes(settings: Settings, contract: Contract, since: date, until: date) -> Iterator[Change]:
    """What differs between the data set as of two nights, in order of key; lineage columns do not count."""
    from cityperf.db import connect

    with connect(settings, "loader") as db:
        _fill(settings, db, contract, since, "as_of_before")
        _fill(settings, db, contract, until, "as_of_after")
        with db.cursor("changes") as cursor:
            cursor.execute(_difference(db, contract))
            for before, after in cursor:
                yield _change(contract, before, after)
        db.rollback()


def _change(contract: Contract, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Change:
    row = after or before or {}
    key = {name: row[name] for name in contract.keys or row}
    if before is None or after is None:
        return Change("new" if before is None else "gone", key, {}, {})
    differ = [name for name in row if before.get(name) != after.get(name)]
    return Change("changed", key, {n: before.get(n) for n in differ}, {n: after.get(n) for n in differ})


def _difference(db: psycopg.Connection[Any], contract: Contract) -> sql.Composed:
    """Rows with the same key beside each other; without keys the n-th of equal rows is its own key."""
    from psycopg import sql

    columns = columns_of(db, contract.table)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    key = sql.SQL(", ").join(sql.Identifier("t", name) for name in contract.keys or columns)
    side = sql.SQL(
        "select jsonb_build_array({0}, row_number() over (partition by {0})) as k, to_jsonb(r) as v "
        "from {1} as t cross join lateral (select {2}) as r"
    )
    before, after = (
        side.format(key, sql.Identifier(table), names) for table in ("as_of_before", "as_of_after")
    )
    return sql.SQL(
        "select b.v, a.v from ({}) as b full join ({}) as a on a.k = b.k "
        "where a.v is distinct from b.v order by coalesce(a.k, b.k)"
    ).format(before, after)


def _fill(
    settings: Settings, db: psycopg.Connection[Any], contract: Contract, night: date, table: str
) -> None:
    from psycopg import sql

    into, raw = sql.Identifier(table), sql.Identifier("raw", contract.table)
    db.execute(sql.SQL("create temporary table {} (like {}) on commit drop").format(into, raw))
    if contract.partition is None:
        keys = sql.SQL(", ").join(map(sql.Identifier, contract.keys))
        once = sql.SQL("distinct on ({})").format(keys) if contract.keys else sql.SQL("")
        latest = sql.SQL("{}, ").format(keys) if contract.keys else sql.SQL("")
        db.execute(
            sql.SQL(
                "insert into {} select {} * from {} where _file_id in (select file_id from ops.standing(%s) "
                "where dataset = %s) order by {} _night desc, _file_id desc, _row desc"
            ).format(into, once, raw, latest),
            (night, contract.dataset),
        )
        return
    for file_id, delivered, name, periods, in_raw in db.execute(
        """
        select t.file_id, t.night, f.name, array_agg(t.period), t.file_id = n.file_id and t.night = n.night
        from ops.standing_periods(%(dataset)s, %(night)s) as t
        join ops.standing_periods(%(dataset)s, 'infinity') as n using (period)
        join ops.landed_file as f on f.file_id = t.file_id
        group by 1, 2, 3, 5 order by 2, 1
        """,
        {"dataset": contract.dataset, "night": night},
    ).fetchall():
        if in_raw:
            db.execute(
                sql.SQL("insert into {} select * from {} where _period = any(%s)").format(into, raw),
                (periods,),
            )
        else:
            aside = _Aside(0, contract, file_id, name, delivered, db.info.backend_pid)
            _read_again(settings, db, aside, periods, into)


def _read_again(
    settings: Settings, db: psycopg.Connection[Any], aside: _Aside, periods: list[str], into: sql.Identifier
) -> None:
    """The periods of one delivery from landing, without the rows that break the contract."""
    from psycopg import sql

    from cityperf.landing import opened
    from cityperf.load import period_of_name
    from cityperf.load.batch import fill
    from cityperf.load.checks import hold_bad_rows
    from cityperf.load.readers import open_file

    with opened(settings, db, aside.file_id) as path:
        reader = open_file(aside.contract, path, aside.name)
        filled = fill(db, aside, reader, period_of_name(db, aside))
        hold_bad_rows(db, aside, reader, filled.held, filled.rows_in)
    known = set(columns_of(db, aside.contract.table))
    shared = [name for name in columns_of(db, aside.table_name) if name in known]
    names = sql.SQL(", ").join(
        map(sql.Identifier, [*shared, "_file_id", "_row", "_sheet", "_period", "_night"])
    )
    db.execute(
        sql.SQL("insert into {} ({}) select {} from {} where _period = any(%s)").format(
            into, names, names, aside.table
        ),
        (periods,),
    )
    db.execute(sql.SQL("drop table {}").format(aside.table))
