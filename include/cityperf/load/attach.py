"""The last step of a load: rows become visible, the registry and the cursor move, all in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
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
    """How a delivery compares with the one before it, in rows.

    Of the periods that the file `brought`, `periods` are those whose rows in raw are now its own, and `confirmed`
    those for which the same rows stood already: nothing was written for them.
    """

    loaded: int
    new: int
    changed: int
    unchanged: int
    periods: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()
    gone: int = 0
    note: str = ""

    @property
    def stands_for(self) -> tuple[str, ...]:
        return tuple(sorted({*self.periods, *self.confirmed}))


@dataclass(frozen=True)
class Backfill:
    """A delivery read again: only these `periods` of it (none: all of it); what they replace is kept `until`."""

    night: date
    until: date
    periods: tuple[str, ...] = ()


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
    backfill: Backfill | None = None


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
    if arrived.backfill is None:
        counts = _compare_with_previous(db, batch, arrived)
    else:
        counts = _take_out_own(db, batch, arrived, arrived.backfill)
    if arrived.backfill is None or counts.new + counts.changed + counts.gone:
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


def _take_out_own(db: psycopg.Connection[Any], batch: Batch, arrived: Arrived, backfill: Backfill) -> Counts:
    """Compare with the rows that this very delivery has in raw; if they differ, move those into a kept table."""
    own = sql.SQL("where _file_id = {}").format(sql.Literal(batch.file_id))
    columns = _shared_columns(db, batch)
    old = sql.SQL("select {} as h from {} as r {}").format(_row_hash(columns), batch.target, own)
    added, removed, same = _multisets(db, batch, columns, old)
    _refuse_shrunken(batch, removed + same, added + same, arrived.open_end)
    if added == removed == 0:
        return Counts(arrived.rows, 0, 0, same, note="the same rows stand already: nothing replaced")
    table = sql.Identifier("raw", _keep(db, batch, None, removed + same, backfill))
    db.execute(sql.SQL("create table {} as select * from {} {}").format(table, batch.target, own))
    db.execute(sql.SQL("delete from {} {}").format(batch.target, own))
    changed = min(added, removed)
    return Counts(arrived.rows, added - changed, changed, same, gone=removed - changed)


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
    columns = _shared_columns(db, batch)
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


def _shared_columns(db: psycopg.Connection[Any], batch: Batch) -> list[str]:
    known = set(columns_of(db, batch.contract.table))
    return [column for column in columns_of(db, batch.table_name) if column in known]


def _row(alias: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("row({})").format(sql.SQL(", ").join(sql.Identifier(alias, column) for column in columns))


def _key_text(alias: str, keys: Sequence[str]) -> sql.Composed:
    return sql.SQL("concat_ws(chr(31), {})").format(
        sql.SQL(", ").join(sql.Identifier(alias, key) for key in keys)
    )


# -- tables in which a delivery replaces its periods ---------------------------------------------------------
def _replace_periods(db: psycopg.Connection[Any], batch: Batch, arrived: Arrived) -> Counts:
    """Swap in the periods that differ. What stands already with the same rows is confirmed and left untouched."""
    if arrived.period is not None:
        there = [arrived.period]
    else:
        distinct = sql.SQL("select distinct _period from {} order by 1").format(batch.table)
        there = [row[0] for row in db.execute(distinct)]
    _refuse_missing(batch, there, arrived.backfill)
    newer = served_by_newer(db, batch.batch_id, there)
    wanted = [each for each in there if each not in newer]
    _refuse_too_many(db, batch, wanted)
    notes = [f"a newer delivery stands for {ranges(sorted(newer))} already"] if newer else []
    if not wanted:
        db.execute(sql.SQL("drop table {}").format(batch.table))
        return Counts(0, 0, 0, 0, brought=tuple(there), note="; ".join(notes))
    compared = _compare_periods(db, batch, wanted, arrived.rows if wanted == there else None)
    added, removed, same = compared.added, compared.removed, compared.same
    _refuse_shrunken(batch, removed + same, added + same, arrived.open_end)
    changed = min(added, removed)
    if removed > changed:
        notes.append(f"{removed - changed} rows of the delivery before are gone")
    periods = [each for each in wanted if each not in compared.equal]
    if not periods:
        notes.append("the same rows stand already: nothing replaced")
        db.execute(sql.SQL("drop table {}").format(batch.table))
    elif len(there) == 1:
        _finish_whole(db, batch)
        _swap(db, batch, periods[0], batch.table_name, arrived.backfill)
    else:
        for each, table in _split(db, batch, periods).items():
            _swap(db, batch, each, table, arrived.backfill)
    confirmed = set[str]()
    if arrived.backfill is None:
        its_own = compared.equal & _rows_of_this_file(db, batch)
        periods = sorted({*periods, *its_own})
        confirmed = set(compared.equal - its_own)
    _supersede(db, batch, periods, arrived.backfill)
    return Counts(
        added + same,
        added - changed,
        changed,
        same,
        tuple(periods),
        tuple(sorted(confirmed)),
        tuple(there),
        removed - changed,
        "; ".join(notes),
    )


def _rows_of_this_file(db: psycopg.Connection[Any], batch: Batch) -> set[str]:
    """Periods whose rows in raw came in this file, with an earlier batch."""
    rows = db.execute(
        "select unnest(periods) from ops.batch where file_id = %s and state = 'loaded' and batch_id <> %s",
        (batch.file_id, batch.batch_id),
    )
    return {row[0] for row in rows}


def leave_only(db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str]) -> int:
    """Take the rows of all other periods out of the batch's table; returns how many they were."""
    return db.execute(
        sql.SQL("delete from {} where not _period = any({})").format(batch.table, sql.Literal(list(periods)))
    ).rowcount


def _refuse_missing(batch: Batch, there: Sequence[str], backfill: Backfill | None) -> None:
    lacking = sorted(set(backfill.periods) - set(there)) if backfill else []
    if lacking:
        raise Quarantined(
            f"rows for {ranges(lacking)}, as when the file was first loaded",
            "none",
            batch.name,
            "compare the contract's `partition` and `read` with what they were then",
        )


def served_by_newer(db: psycopg.Connection[Any], batch_id: int, periods: Sequence[str]) -> set[str]:
    """Those of `periods` for which a later delivery than this batch's stands: see decision 0014 for the order."""
    rows = db.execute(
        """
        select distinct served.period
        from ops.batch as this
        join ops.landed_file as mine on mine.file_id = this.file_id
        join ops.batch as b on b.dataset = this.dataset and b.batch_id <> this.batch_id and b.state = 'loaded'
        join ops.landed_file as f on f.file_id = b.file_id
        cross join unnest(b.periods || b.periods_confirmed) as served (period)
        where this.batch_id = %s and served.period = any(%s)
            and (b.stamp, b.night, f.name collate "C") > (this.stamp, this.night, mine.name collate "C")
        """,
        (batch_id, list(periods)),
    )
    return {row[0] for row in rows}


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


def _split(db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str]) -> dict[str, str]:
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
    db.execute(
        sql.SQL(
            "insert into {} ({}, _period) select {}, _period from {} where _period = any({}) order by _row"
        ).format(parent, names, names, batch.table, sql.Literal(list(periods)))
    )
    for table in tables.values():
        db.execute(sql.SQL("alter table {} detach partition {}").format(parent, sql.Identifier("raw", table)))
    db.execute(sql.SQL("drop table {}, {}").format(parent, batch.table))
    return tables


def _swap(
    db: psycopg.Connection[Any], batch: Batch, period: str, table: str, backfill: Backfill | None
) -> None:
    """Put `table` in the place of the period's partition, which goes, or is kept if a backfill replaces it."""
    name = sql.Identifier("raw", partition_name(batch.contract, period))
    if detach(db, batch.contract, period):
        if backfill is None:
            db.execute(sql.SQL("drop table {}").format(name))
        else:
            row = db.execute(sql.SQL("select count(*) from {}").format(name)).fetchone()
            kept = _keep(db, batch, period, row[0] if row else 0, backfill)
            db.execute(sql.SQL("alter table {} rename to {}").format(name, sql.Identifier(kept)))
    attach_as(db, batch.contract, period, table)


def detach(db: psycopg.Connection[Any], contract: Contract, period: str) -> bool:
    """Take the period's partition off the data set's table; false if there is none."""
    name = partition_name(contract, period)
    if db.execute("select to_regclass(%s)", (f"raw.{name}",)).fetchone() == (None,):
        return False
    db.execute(
        sql.SQL("alter table {} detach partition {}").format(
            sql.Identifier("raw", contract.table), sql.Identifier("raw", name)
        )
    )
    return True


def attach_as(db: psycopg.Connection[Any], contract: Contract, period: str, table: str) -> None:
    """Make raw.`table` the partition of a period that has none."""
    name = sql.Identifier("raw", partition_name(contract, period))
    db.execute(
        sql.SQL("alter table {} rename to {}").format(
            sql.Identifier("raw", table), sql.Identifier(partition_name(contract, period))
        )
    )
    db.execute(
        sql.SQL("alter table {} attach partition {} for values in ({})").format(
            sql.Identifier("raw", contract.table), name, sql.Literal(period)
        )
    )
    db.execute(
        sql.SQL("alter table {} drop constraint if exists {}").format(name, sql.Identifier(ONE_PERIOD))
    )


def _keep(
    db: psycopg.Connection[Any], batch: Batch, period: str | None, rows: int, backfill: Backfill
) -> str:
    """Register what a backfill replaces; returns the name of the table in raw that is to hold it."""
    row = db.execute(
        """
        insert into ops.kept_partition (dataset, period, replaced_by, was_of, rows, night, until)
        values (%(dataset)s, %(period)s, %(batch)s, (
            select b.batch_id from ops.batch as b
            where b.dataset = %(dataset)s and b.state = 'loaded' and b.batch_id <> %(batch)s
                and (%(period)s = any(b.periods) or %(period)s::text is null and b.file_id = %(file)s)
            order by b.batch_id desc limit 1
        ), %(rows)s, %(night)s, %(until)s) returning kept_id
        """,
        {
            "dataset": batch.contract.dataset,
            "period": period,
            "batch": batch.batch_id,
            "file": batch.file_id,
            "rows": rows,
            "night": backfill.night,
            "until": backfill.until,
        },
    ).fetchone()
    if row is None:
        raise RuntimeError("the registry gave no kept_id")
    return kept_name(row[0])


def kept_name(kept_id: int) -> str:
    return f"kept_{kept_id}"


def partition_name(contract: Contract, period: str) -> str:
    return f"{contract.table}__{period.replace('-', '_')}"


def _supersede(
    db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str], backfill: Backfill | None
) -> None:
    """Earlier batches no longer stand for these periods; one that stands for none is superseded.

    A backfill takes the rows over, but it is as old as its delivery: what a later one confirmed stays confirmed.
    """
    db.execute(
        """
        update ops.batch set periods = own, periods_confirmed = confirmed,
            state = case when cardinality(own) + cardinality(confirmed) = 0 then 'superseded' else state end
        from (
            select b.batch_id as id,
                array(select p from unnest(b.periods) as p where not p = any(%(periods)s) order by p) as own,
                array(select p from unnest(b.periods_confirmed) as p
                    where %(backfill)s or not p = any(%(periods)s) order by p) as confirmed
            from ops.batch as b
            where b.dataset = %(dataset)s and b.state = 'loaded' and b.batch_id <> %(batch)s
                and (b.periods || b.periods_confirmed) && %(periods)s
        ) as served
        where served.id = batch_id
        """,
        {
            "periods": list(periods),
            "dataset": batch.contract.dataset,
            "batch": batch.batch_id,
            "backfill": backfill is not None,
        },
    )


@dataclass(frozen=True)
class Compared:
    """Rows added, removed and the same against what stands; `equal`: the periods that do not differ at all."""

    added: int
    removed: int
    same: int
    equal: frozenset[str] = frozenset()


def _compare_periods(
    db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str], rows: int | None
) -> Compared:
    """Against what stands for these periods now; `rows` of the batch in them, if they are counted.

    One sum of row hashes per period tells which periods differ; only those are compared row by row.
    """
    columns = _shared_columns(db, batch)
    if not _any_rows(db, batch, periods):
        return Compared(_count(db, batch, periods) if rows is None else rows, 0, 0)
    differ, equal, same = list(periods), frozenset[str](), 0
    if len(periods) > 1:
        before, now = (_digests(db, table, columns, periods) for table in (batch.target, batch.table))
        equal = frozenset(each for each in periods if before.get(each) == now.get(each))
        differ = [each for each in periods if each not in equal]
        same = sum(int(now[each][0]) for each in equal)
        if not differ:
            return Compared(0, 0, same, equal)
    inside = sql.SQL("where _period = any({})").format(sql.Literal(differ))
    old = sql.SQL("select {} as h from {} as r {}").format(_row_hash(columns), batch.target, inside)
    added, removed, unchanged = _multisets(db, batch, columns, old, inside)
    if not equal and added == removed == 0:
        equal = frozenset(periods)
    return Compared(added, removed, same + unchanged, equal)


def _any_rows(db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str]) -> bool:
    query = sql.SQL("select 1 from {} where _period = any({}) limit 1")
    return db.execute(query.format(batch.target, sql.Literal(list(periods)))).fetchone() is not None


def _count(db: psycopg.Connection[Any], batch: Batch, periods: Sequence[str]) -> int:
    query = sql.SQL("select count(*) from {} where _period = any({})")
    row = db.execute(query.format(batch.table, sql.Literal(list(periods)))).fetchone()
    return int(row[0]) if row else 0


def _digests(
    db: psycopg.Connection[Any], table: sql.Identifier, columns: Sequence[str], periods: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    """Per period the number of its rows and the sum of their hashes, whatever their order."""
    query = sql.SQL(
        "select _period, count(*), sum({}) from {} as r where _period = any({}) group by 1"
    ).format(_row_hash(columns), table, sql.Literal(list(periods)))
    return {row[0]: row[1:] for row in db.execute(query)}


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


def ranges(periods: Sequence[str]) -> str:
    return periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]} ({len(periods)} periods)"
