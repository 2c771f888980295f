"""The last step of a load: rows become visible, the registry and the cursor move, all in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from cityperf.load.batch import ONE_PERIOD, Batch, columns_of
from cityperf.load.quarantined import Quarantined
from cityperf.sources import Contract

MAX_PARTITIONS: Final = 200
FEWEST: Final = 0.7  # of the rows that a delivery replaces; with fewer it was probably cut off at the source
FEW: Final = 20  # rows below which a share says nothing


@dataclass(frozen=True)
class Counts:
    """How a delivery compares with the one before it, in rows. `periods` are those it now stands for."""

    loaded: int
    new: int
    changed: int
    unchanged: int
    periods: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Arrived:
    """What is known of the batch's table, so that nothing need be counted again.

    `rows` are those in it, `new` its columns that the contract does not know, `period` the one that the file's name
    gives, if it does; `open_end`: the file stops without a line end.
    """

    rows: int
    new: tuple[str, ...] = ()
    period: str | None = None
    open_end: bool = False


def attach(db: psycopg.Connection[Any], batch: Batch, arrived: Arrived) -> Counts:
    """Make the batch's rows part of the data set's table. To be called inside the final transaction.

    Raises Quarantined when there are far fewer rows than in what they replace, or too many periods.
    """
    _add_columns(db, batch, arrived.new)
    if batch.contract.partition is None:
        return _append(db, batch, arrived)
    return _replace_periods(db, batch, arrived)


def _refuse_shrunken(batch: Batch, before: int, now: int, open_end: bool) -> None:
    """A file cut at the source may still be sound line by line: what gives it away is what it lacks."""
    if batch.contract.drift.fewer_rows == "warn" or before < FEW:
        return
    if now < before * FEWEST or (open_end and now < before):
        raise Quarantined(
            f"about {before:,} rows, as in the delivery that it replaces",
            f"{now:,}" + (" and no line end behind the last one" if open_end else ""),
            batch.name,
            "ask the publisher for the whole file; if the rows are really gone, say `fewer_rows: warn` in "
            "the contract",
        )


def _add_columns(db: psycopg.Connection[Any], batch: Batch, new: Sequence[str]) -> None:
    there = set(columns_of(db, batch.contract.table))
    lacking = [name for name in columns_of(db, batch.table_name) if name not in there]
    if lacking:
        adds = sql.SQL(", ").join(
            sql.SQL("add column {} text").format(sql.Identifier(name)) for name in lacking
        )
        db.execute(sql.SQL("alter table {} {}").format(batch.target, adds))
    for name in set(lacking) & set(new):
        db.execute(
            sql.SQL("comment on column {} is {}").format(
                sql.Identifier("raw", batch.contract.table, name),
                sql.Literal("Not in the contract: the publisher added it."),
            )
        )


# -- tables that keep every delivery -------------------------------------------------------------------------
def _append(db: psycopg.Connection[Any], batch: Batch, arrived: Arrived) -> Counts:
    counts = _compare_with_previous(db, batch, arrived)
    names = sql.SQL(", ").join(
        map(sql.Identifier, [*columns_of(db, batch.table_name), "_file_id", "_row", "_sheet", "_night"])
    )
    db.execute(
        sql.SQL("insert into {} ({}) select {} from {} order by _row").format(
            batch.target, names, names, batch.table
        )
    )
    db.execute(sql.SQL("drop table {}").format(batch.table))
    return counts


def _compare_with_previous(db: psycopg.Connection[Any], batch: Batch, arrived: Arrived) -> Counts:
    """Against the delivery that stands now for this name, or else the data set's latest one."""
    previous = db.execute(
        "select file_id, name = %s from ops.cursor where dataset = %s order by (name = %s) desc, night "
        "desc, file_id "
        "desc limit 1",
        (batch.name, batch.contract.dataset, batch.name),
    ).fetchone()
    total = arrived.rows
    if previous is None:
        return Counts(total, total, 0, 0)
    row = db.execute(
        sql.SQL("select count(*) from {} where _file_id = {}").format(batch.target, sql.Literal(previous[0]))
    ).fetchone()
    before = int(row[0]) if row else 0
    if previous[1]:
        _refuse_shrunken(batch, before, total, arrived.open_end)
    columns = [c for c in columns_of(db, batch.table_name) if c in set(columns_of(db, batch.contract.table))]
    keys = [key for key in batch.contract.keys if key in columns]
    if not keys:
        old = sql.SQL("select {} as h from {} as r where _file_id = {}").format(
            _row_hash(columns), batch.target, sql.Literal(previous[0])
        )
        added, removed, same = _multisets(db, batch, columns, old)
        changed = min(added, removed)
        return Counts(total, added - changed, changed, same)
    compared = [c for c in (batch.contract.compare or columns) if c in columns and c not in keys]
    on = sql.SQL(" and ").join(
        sql.SQL("b.{0} is not distinct from r.{0}").format(sql.Identifier(key)) for key in keys
    )
    differs = (
        sql.SQL("({}) is distinct from ({})").format(_row("b", compared), _row("r", compared))
        if compared
        else sql.SQL("false")
    )
    differs_elsewhere = sql.SQL("({}) is distinct from ({})").format(_row("b", columns), _row("r", columns))
    # hashing the key keeps this a hash join: `is not distinct from` alone would compare every pair
    row = db.execute(
        sql.SQL(
            "select count(*) filter (where r._row is null), count(*) filter (where r._row is not null and "
            "{differs}), "
            "count(*) filter (where r._row is not null and not ({differs}) and {elsewhere}) "
            "from {batch} as b left join (select * from {target} where _file_id = {previous}) as r "
            "on {bkey} = {rkey} and {on}"
        ).format(
            differs=differs,
            elsewhere=differs_elsewhere,
            batch=batch.table,
            target=batch.target,
            previous=sql.Literal(previous[0]),
            on=on,
            bkey=_key_text("b", keys),
            rkey=_key_text("r", keys),
        )
    ).fetchone()
    new, changed, elsewhere = row or (0, 0, 0)
    gone = before - (total - new)
    notes = [f"{gone} rows of the delivery before are gone"] if gone > 0 else []
    if elsewhere:
        notes.append(f"{elsewhere} more rows differ, but not in {', '.join(compared)}")
    return Counts(total, new, changed, total - new - changed, note="; ".join(notes))


def _row(alias: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("row({})").format(sql.SQL(", ").join(sql.Identifier(alias, column) for column in columns))


def _key_text(alias: str, keys: Sequence[str]) -> sql.Composed:
    return sql.SQL("concat_ws(chr(31), {})").format(
        sql.SQL(", ").join(sql.Identifier(alias, key) for key in keys)
    )


# -- tables in which a delivery replaces its periods ---------------------------------------------------------
def _replace_periods(db: psycopg.Connection[Any], batch: Batch, arrived: Arrived) -> Counts:
    if arrived.period is not None:
        there = [arrived.period]
    else:
        distinct = sql.SQL("select distinct _period from {} order by 1").format(batch.table)
        there = [row[0] for row in db.execute(distinct)]
    newer = _served_by_newer(db, batch, there)
    periods = [each for each in there if each not in newer]
    _refuse_too_many(db, batch, periods)
    notes = [f"a newer delivery stands for {_ranges(sorted(newer))} already"] if newer else []
    if not periods:
        db.execute(sql.SQL("drop table {}").format(batch.table))
        return Counts(0, 0, 0, 0, (), "; ".join(notes))
    added, removed, same = _compare_periods(db, batch, periods, arrived.rows if periods == there else None)
    _refuse_shrunken(batch, removed + same, added + same, arrived.open_end)
    changed = min(added, removed)
    if removed > changed:
        notes.append(f"{removed - changed} rows of the delivery before are gone")
    if len(there) == 1:
        loaded = arrived.rows
        _finish_whole(db, batch)
        ready = {periods[0]: batch.table_name}
    else:
        ready, loaded = _split(db, batch, periods)
    for each, table in ready.items():
        _swap(db, batch.contract, each, table)
    _supersede(db, batch, periods)
    return Counts(loaded, added - changed, changed, same, tuple(periods), "; ".join(notes))


def _served_by_newer(db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str]) -> set[str]:
    """Periods for which a later delivery stands: of a later night, or later in the same night's order."""
    rows = db.execute(
        """
        select served.period
        from ops.batch as b
        join ops.landed_file as f using (file_id)
        cross join unnest(b.periods) as served (period)
        join ops.landed_file as this on this.file_id = %(file_id)s
        where b.dataset = %(dataset)s and b.state = 'loaded' and b.file_id <> %(file_id)s
            and served.period = any(%(periods)s)
            and (b.night, coalesce(f.source_meta ->> 'source_modified', '') collate "C", f.name collate "C")
              > (%(night)s::date, coalesce(this.source_meta ->> 'source_modified', ''), this.name)
        """,
        {
            "dataset": batch.contract.dataset,
            "file_id": batch.file_id,
            "night": batch.night,
            "periods": list(periods),
        },
    )
    later = {row[0] for row in rows}
    again = db.execute(
        "select distinct unnest(periods) from ops.batch where file_id = %s and state = 'loaded' and night "
        "> %s",
        (batch.file_id, batch.night),
    )
    return later | ({row[0] for row in again} & set(periods))


def _refuse_too_many(db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str]) -> None:
    attached = {
        row[0]
        for row in db.execute(
            "select substr(c.relname, %s) from pg_inherits as i join pg_class as c on c.oid = i.inhrelid "
            "where i.inhparent = %s::regclass",
            (len(partition_name(batch.contract, "")) + 1, f"raw.{batch.contract.table}"),
        )
    }
    after = attached | {each.replace("-", "_") for each in periods}
    if len(after) > MAX_PARTITIONS:
        raise Quarantined(
            f"at most {MAX_PARTITIONS} periods attached to raw.{batch.contract.table}",
            f"{len(after)} with this file",
            batch.name,
            "choose a coarser `partition` grain, or archive the oldest periods",
        )


def _finish_whole(db: psycopg.Connection[Any], batch: Batch) -> None:
    """A file of one period: its table itself becomes the partition, without copying a row."""
    partition = batch.contract.partition
    if partition and partition.column:
        period: list[sql.Composable] = [
            sql.SQL("alter column _period drop expression"),
            sql.SQL("alter column _period set not null"),
        ]
    else:
        period = [sql.SQL("alter column _period drop default")]
    changes = [
        sql.SQL("alter column {} drop default").format(sql.Identifier(n))
        for n in ("_row", "_file_id", "_night")
    ]
    db.execute(sql.SQL("alter table {} {}").format(batch.table, sql.SQL(", ").join([*changes, *period])))
    db.execute(sql.SQL("drop sequence {}").format(sql.Identifier("raw", f"{batch.table_name}_row")))


def _split(db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str]) -> tuple[dict[str, str], int]:
    """A file of many periods: one pass routes its rows into a table each, through a parent of its own."""
    parent = sql.Identifier("raw", f"{batch.table_name}_periods")
    db.execute(sql.SQL("create table {} (like {}) partition by list (_period)").format(parent, batch.target))
    tables: dict[str, str] = {}
    for number, each in enumerate(periods):
        tables[each] = f"{batch.table_name}_p{number}"
        db.execute(
            sql.SQL("create table {} partition of {} for values in ({})").format(
                sql.Identifier("raw", tables[each]), parent, sql.Literal(each)
            )
        )
    names = sql.SQL(", ").join(
        map(sql.Identifier, [*columns_of(db, batch.table_name), "_file_id", "_row", "_sheet", "_night"])
    )
    cursor = db.execute(
        sql.SQL(
            "insert into {} ({}, _period) select {}, _period from {} where _period = any({}) order by _row"
        ).format(parent, names, names, batch.table, sql.Literal(list(periods)))
    )
    for table in tables.values():
        db.execute(sql.SQL("alter table {} detach partition {}").format(parent, sql.Identifier("raw", table)))
    db.execute(sql.SQL("drop table {}, {}").format(parent, batch.table))
    return tables, cursor.rowcount


def _swap(db: psycopg.Connection[Any], contract: Contract, period: str, table: str) -> None:
    """Put `table` in the place of the period's partition, which goes."""
    name = sql.Identifier("raw", partition_name(contract, period))
    target = sql.Identifier("raw", contract.table)
    if db.execute("select to_regclass(%s)", (f"raw.{partition_name(contract, period)}",)).fetchone() != (
        None,
    ):
        db.execute(sql.SQL("alter table {} detach partition {}").format(target, name))
        db.execute(sql.SQL("drop table {}").format(name))
    db.execute(
        sql.SQL("alter table {} rename to {}").format(
            sql.Identifier("raw", table), sql.Identifier(partition_name(contract, period))
        )
    )
    db.execute(
        sql.SQL("alter table {} attach partition {} for values in ({})").format(
            target, name, sql.Literal(period)
        )
    )
    db.execute(
        sql.SQL("alter table {} drop constraint if exists {}").format(name, sql.Identifier(ONE_PERIOD))
    )


def partition_name(contract: Contract, period: str) -> str:
    return f"{contract.table}__{period.replace('-', '_')}"


def _supersede(db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str]) -> None:
    """Earlier batches no longer stand for these periods; one that stands for none is superseded."""
    db.execute(
        "update ops.batch set periods = left_over, state = case when cardinality(left_over) = 0 then "
        "'superseded' "
        "else state end from (select b.batch_id as id, array(select p from unnest(b.periods) as p "
        "where not p = any(%(periods)s) order by p) as left_over from ops.batch as b where b.dataset = "
        "%(dataset)s "
        "and b.state = 'loaded' and b.periods && %(periods)s and b.batch_id <> %(batch)s) as served "
        "where served.id = batch_id",
        {"periods": list(periods), "dataset": batch.contract.dataset, "batch": batch.batch_id},
    )


def _compare_periods(
    db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str], rows: int | None
) -> tuple[int, int, int]:
    """Rows (added, removed, the same) against what stands for these periods now; `rows` if they are counted."""
    columns = [c for c in columns_of(db, batch.table_name) if c in set(columns_of(db, batch.contract.table))]
    some = db.execute(
        sql.SQL("select 1 from {} where _period = any({}) limit 1").format(
            batch.target, sql.Literal(list(periods))
        )
    ).fetchone()
    if some is None:
        if rows is not None:
            return rows, 0, 0
        row = db.execute(
            sql.SQL("select count(*) from {} where _period = any({})").format(
                batch.table, sql.Literal(list(periods))
            )
        ).fetchone()
        return int(row[0]) if row else 0, 0, 0
    old = sql.SQL("select {} as h from {} as r where _period = any({})").format(
        _row_hash(columns), batch.target, sql.Literal(list(periods))
    )
    return _multisets(
        db, batch, columns, old, sql.SQL("where _period = any({})").format(sql.Literal(list(periods)))
    )


def _multisets(
    db: psycopg.Connection[Any],
    batch: Batch,
    columns: Sequence[str],
    old: sql.Composable,
    where: sql.Composable = sql.SQL(""),  # noqa: B008 - immutable
) -> tuple[int, int, int]:
    row = db.execute(
        sql.SQL(
            "select coalesce(sum(greatest(n - o, 0)), 0), coalesce(sum(greatest(o - n, 0)), 0), "
            "coalesce(sum(least(n, o)), 0) from ("
            "select h, count(*) filter (where s) as n, count(*) filter (where not s) as o from ("
            "select {} as h, true as s from {} as r {} union all select h, false from ({}) as old) as "
            "sides group by h) as c"
        ).format(_row_hash(columns), batch.table, where, old)
    ).fetchone()
    added, removed, same = row or (0, 0, 0)
    return int(added), int(removed), int(same)


def _row_hash(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("hashtextextended({}::text, 0)").format(_row("r", sorted(columns)))


def _ranges(periods: Sequence[str]) -> str:
    return periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]} ({len(periods)} periods)"
