"""Loading: a landed file into raw, whole or not at all.

The bytes go by COPY into a table of the batch's own, committed but attached to nothing, so nobody sees it.
The contract's checks and the landing gate look at it there. Then one transaction makes the rows visible,
moves the cursor and closes the batch. A loader that is killed leaves a table and a batch in state
'loading'; the next load of the data set removes both. Loads of one data set go one after the other, by an
advisory lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from cityperf.config import Settings
from cityperf.errors import FileQuarantined, SourceUnavailable

if TYPE_CHECKING:
    import psycopg

    from cityperf.load.attach import Counts
    from cityperf.load.batch import Batch
    from cityperf.load.quarantined import BadRow
    from cityperf.load.readers import Reader
    from cityperf.sources import Contract

__all__ = ["BatchResult", "FileQuarantined", "ensure_raw_tables", "load_file", "rebuild"]

LOCK_PATIENCE: Final = 900.0  # seconds to wait for another load of the same data set
SWAP_ATTEMPTS: Final = 8  # of the last transaction, each waiting at most SWAP_WAIT for readers of the table
SWAP_WAIT: Final = "5s"

Gate = Callable[..., Any]


@dataclass(frozen=True)
class BatchResult:
    """What a load came to, in rows. `loaded` are visible now; `periods` those that the file stands for."""

    batch_id: int
    rows_in: int
    loaded: int
    quarantined: int
    new: int
    changed: int
    unchanged: int
    periods: tuple[str, ...]
    message: str | None


def load_file(
    settings: Settings, night: date, contract: Contract, file_id: int, *, gate: Gate | None = None
) -> BatchResult:
    """Load one landed file. A file that stands already (loaded tonight, or current) is left alone.

    `gate` is the landing gate, `cityperf.quality.check_batch` unless given. Raises FileQuarantined (a
    SourceRefused) when the file breaks its contract, after writing it to quarantine.files;
    SourceUnavailable when another load of the data set does not end; psycopg.Error when the database fails,
    after which the load can be repeated.
    """
    from cityperf.db import connect

    with connect(settings, "loader", autocommit=True) as db, _one_at_a_time(db, contract.dataset):
        _reclaim(db, contract.dataset)
        row = db.execute(
            "select name, sha256, url from ops.landed_file where file_id = %s", (file_id,)
        ).fetchone()
        if row is None:
            raise ValueError(
                f"{contract.dataset}: no landed file has the id {file_id}; extract the source again"
            )
        name, sha256, url = row
        done = _already(db, contract, night, file_id, name)
        if done is not None:
            return done
        ensure_raw_tables(settings, {contract.dataset: contract}, db)
        batch = _begin(db, contract, night, file_id, name)
        try:
            if _rows_are_there(db, contract, file_id, batch.batch_id):
                return _stand_again(db, batch)
            return _load(settings, db, batch, sha256, gate)
        except FileQuarantined as problem:
            _hold_file(db, batch, url, problem)
            raise FileQuarantined(f"{contract.dataset}: {problem}") from None
        except BaseException as problem:
            _give_up(db, batch, problem)
            raise


def ensure_raw_tables(settings: Settings, contracts: Mapping[str, Contract], db: Any | None = None) -> None:
    """Make every contract's table in raw, add columns that the contract gained, and write the comments.
    Idempotent.
    """
    from cityperf.db import connect
    from cityperf.load.tables import ensure

    if db is not None:
        for contract in contracts.values():
            ensure(db, contract)
        return
    with connect(settings, "loader", autocommit=True) as own:
        for contract in contracts.values():
            ensure(own, contract)


def rebuild(settings: Settings, contract: Contract) -> list[BatchResult]:
    """Empty a data set's raw table and load all its deliveries from landing again, in the order of the
    nights.

    What was quarantined stays so. Killed in the middle, it can be started again: the registry keeps the
    list.
    """
    from cityperf.db import connect
    from cityperf.load.tables import drop, ensure

    with connect(settings, "loader", autocommit=True) as db, _one_at_a_time(db, contract.dataset):
        _reclaim(db, contract.dataset)
        deliveries = db.execute(
            """
            select distinct b.night,
                coalesce(f.source_meta ->> 'source_modified', '') collate "C" as modified,
                f.name collate "C" as name, b.file_id
            from ops.batch as b join ops.landed_file as f using (file_id)
            where b.dataset = %s and b.state in ('loaded', 'superseded')
            order by 1, 2, 3, 4
            """,
            (contract.dataset,),
        ).fetchall()
        with db.transaction():
            drop(db, contract)
            ensure(db, contract)
            db.execute(
                "update ops.batch set state = 'superseded', periods = '{}', message = 'rebuilt from landing' "
                "where dataset = %s and state = 'loaded'",
                (contract.dataset,),
            )
            db.execute("delete from ops.cursor where dataset = %s", (contract.dataset,))
    accepted = contract.model_copy(update={"drift": contract.drift.model_copy(update={"fewer_rows": "warn"})})
    return [
        load_file(settings, night, accepted, file_id, gate=_open_gate) for night, _, _, file_id in deliveries
    ]


def _open_gate(*_: object) -> list[Any]:
    """A rebuild repeats what passed the gate on its own night; judging it by later rules would change
    history.
    """
    return []


# -- the steps of a load -------------------------------------------------------------------------------------
def _load(
    settings: Settings, db: psycopg.Connection[Any], batch: Batch, sha256: str, gate: Gate | None
) -> BatchResult:
    from cityperf.landing import path_of
    from cityperf.load.batch import fill
    from cityperf.load.checks import check_control_total, hold_bad_rows
    from cityperf.load.readers import open_file

    contract = batch.contract
    path = path_of(settings, sha256)
    if not path.exists():
        raise FileNotFoundError(
            f"{contract.dataset}: {batch.name} ({sha256}) is in the registry but not in landing; expected "
            f"{path}; "
            "restore landing from its backup"
        )
    reader = open_file(contract, path, batch.name)
    period = _period_of_name(db, batch)
    filled = fill(db, batch, reader, period)
    held = [*filled.held, *hold_bad_rows(db, batch, reader, filled.held, filled.rows_in)]
    total = check_control_total(db, batch)
    _pass_gate(settings, db, batch, gate)
    for attempt in range(SWAP_ATTEMPTS):
        try:
            return _finish(db, batch, reader, filled.rows_in, held, total, period)
        except _lock_errors():
            # somebody reads the table for long: step back so that readers behind us are not kept waiting
            if attempt == SWAP_ATTEMPTS - 1:
                raise
            time.sleep(0.5 * 2**attempt)
    raise AssertionError("the loop above returns or raises")


def _finish(
    db: psycopg.Connection[Any],
    batch: Batch,
    reader: Reader,
    rows_in: int,
    held: list[BadRow],
    total: Any,
    period: str | None,
) -> BatchResult:
    from psycopg.types.json import Jsonb

    from cityperf.load.attach import Arrived, attach

    contract = batch.contract
    arrived = Arrived(rows_in - len(held), tuple(reader.new), period, reader.open_end)
    with db.transaction():
        db.execute("select set_config('lock_timeout', %s, true)", (SWAP_WAIT,))
        counts = attach(db, batch, arrived)
        _hold_rows(db, batch, held)
        notes = [*reader.notes, *_drift_notes(contract, reader), *([counts.note] if counts.note else [])]
        if held:
            notes.append(f"{len(held)} rows held: {held[0].reason} (line {held[0].line or held[0].row})")
        message = "; ".join(notes) or None
        change = {k: v for k, v in (("new", dict(reader.new)), ("missing", list(reader.missing))) if v}
        _close_earlier(db, batch)
        db.execute(
            "update ops.batch set state = %s, rows_in = %s, rows_loaded = %s, rows_quarantined = %s, "
            "rows_new = %s, "
            "rows_changed = %s, rows_unchanged = %s, periods = %s, control_total = %s, schema_change = %s, "
            "message = %s, ended_at = clock_timestamp() where batch_id = %s",
            (
                _state(contract, counts),
                rows_in,
                counts.loaded,
                len(held),
                counts.new,
                counts.changed,
                counts.unchanged,
                list(counts.periods) if contract.partition else None,
                total,
                Jsonb(change) if change else None,
                message,
                batch.batch_id,
            ),
        )
        _move_cursor(db, batch)
    return BatchResult(
        batch.batch_id,
        rows_in,
        counts.loaded,
        len(held),
        counts.new,
        counts.changed,
        counts.unchanged,
        counts.periods,
        message,
    )


def _state(contract: Contract, counts: Counts) -> str:
    """A file of which every period has a newer delivery is superseded the moment it arrives."""
    return "superseded" if contract.partition and not counts.periods else "loaded"


def _drift_notes(contract: Contract, reader: Reader) -> Iterator[str]:
    if reader.new and contract.drift.new_column == "warn":
        yield f"new columns {', '.join(map(repr, reader.new.values()))}: loaded, not in the contract"
    if reader.missing:
        yield f"columns {', '.join(reader.missing)} are missing"


def _move_cursor(db: psycopg.Connection[Any], batch: Batch) -> None:
    """An older night never moves the cursor back."""
    db.execute(
        "insert into ops.cursor (dataset, name, file_id, night) values (%s, %s, %s, %s) on conflict "
        "(dataset, name) "
        "do update set file_id = excluded.file_id, night = excluded.night where cursor.night <= "
        "excluded.night",
        (batch.contract.dataset, batch.name, batch.file_id, batch.night),
    )


def _close_earlier(db: psycopg.Connection[Any], batch: Batch) -> None:
    """The same name delivered twice in one night: the second stands."""
    if batch.contract.partition is None:
        db.execute(
            "update ops.batch as b set state = 'superseded' from ops.landed_file as f where f.file_id = "
            "b.file_id "
            "and b.dataset = %s and b.night = %s and f.name = %s and b.state = 'loaded' and b.batch_id <> %s",
            (batch.contract.dataset, batch.night, batch.name, batch.batch_id),
        )


def _pass_gate(settings: Settings, db: psycopg.Connection[Any], batch: Batch, gate: Gate | None) -> None:
    from cityperf.load.quarantined import Quarantined

    if gate is None:
        from cityperf.quality import check_batch

        gate = check_batch
    results = gate(settings, batch.night, batch.contract, f"raw.{batch.table_name}", batch.batch_id, db)
    failed = [each for each in results if each.blocks]
    if failed:
        raise Quarantined(
            "; ".join(str(each.expected) for each in failed),
            "; ".join(str(each.found) for each in failed),
            batch.name,
            "see " + ", ".join(dict.fromkeys(str(each.runbook) for each in failed)),
        )


def _period_of_name(db: psycopg.Connection[Any], batch: Batch) -> str | None:
    """The period that the file's name gives, kept by the connector or found in the name itself."""
    import re

    from cityperf.load.quarantined import Quarantined

    partition = batch.contract.partition
    if partition is None or partition.from_name is None:
        return None
    row = db.execute(
        "select source_meta -> 'groups' ->> %s from ops.landed_file where file_id = %s",
        (partition.from_name, batch.file_id),
    ).fetchone()
    if row and row[0]:
        return str(row[0])
    found = re.search(str(batch.contract.extract.arguments.get("match", "")), batch.name)
    if found is None or not found[partition.from_name]:
        raise Quarantined(
            f"a {partition.grain} in the file's name",
            repr(batch.name),
            batch.name,
            "check `match` in the contract",
        )
    return str(found[partition.from_name])


# -- what is there already -----------------------------------------------------------------------------------
def _already(
    db: psycopg.Connection[Any], contract: Contract, night: date, file_id: int, name: str
) -> BatchResult | None:
    """The result of an earlier load if this file needs none: it was loaded tonight, or is the one that
    stands.
    """
    row = db.execute(
        "select b.batch_id, coalesce(b.rows_in, 0), coalesce(b.rows_loaded, 0), b.rows_quarantined, "
        "coalesce(b.rows_new, 0), coalesce(b.rows_changed, 0), coalesce(b.rows_unchanged, 0), b.periods "
        "from ops.batch as b join ops.cursor as c on c.dataset = b.dataset and c.file_id = b.file_id "
        "where b.dataset = %s and b.file_id = %s and c.name = %s and b.state in ('loaded', 'superseded') "
        "order by b.batch_id desc limit 1",
        (contract.dataset, file_id, name),
    ).fetchone()
    if row is None:
        return None
    batch_id, rows_in, loaded, held, new, changed, unchanged, periods = row
    return BatchResult(
        batch_id,
        rows_in,
        loaded,
        held,
        new,
        changed,
        unchanged,
        tuple(periods or ()),
        "loaded before; nothing to do",
    )


def _rows_are_there(db: psycopg.Connection[Any], contract: Contract, file_id: int, batch_id: int) -> bool:
    """Whether a table that keeps all deliveries has this one's rows from an earlier night."""
    if contract.partition is not None:
        return False
    row = db.execute(
        "select 1 from ops.batch where file_id = %s and batch_id <> %s and state in ('loaded', 'superseded') "
        "and message is distinct from 'rebuilt from landing' limit 1",
        (file_id, batch_id),
    ).fetchone()
    return row is not None


def _stand_again(db: psycopg.Connection[Any], batch: Batch) -> BatchResult:
    """A delivery that came before and comes back: its rows are in raw, only the cursor moves."""
    message = "the same file as an earlier delivery: it stands again"
    with db.transaction():
        row = db.execute(
            "select rows_in, rows_loaded, rows_quarantined from ops.batch where file_id = %s and batch_id "
            "<> %s "
            "and state in ('loaded', 'superseded') order by batch_id desc limit 1",
            (batch.file_id, batch.batch_id),
        ).fetchone()
        rows_in, loaded, held = row or (0, 0, 0)
        _close_earlier(db, batch)
        db.execute(
            "update ops.batch set state = 'loaded', rows_in = %s, rows_loaded = %s, rows_new = 0, "
            "rows_changed = 0, "
            "rows_unchanged = %s, message = %s, ended_at = clock_timestamp() where batch_id = %s",
            (rows_in, loaded, loaded, message, batch.batch_id),
        )
        _move_cursor(db, batch)
    return BatchResult(batch.batch_id, rows_in, loaded, held, 0, 0, loaded, (), message)


def _begin(db: psycopg.Connection[Any], contract: Contract, night: date, file_id: int, name: str) -> Batch:
    from cityperf.load.batch import Batch

    row = db.execute(
        "insert into ops.batch (dataset, file_id, night, state) values (%s, %s, %s, 'loading') returning "
        "batch_id",
        (contract.dataset, file_id, night),
    ).fetchone()
    if row is None:
        raise RuntimeError("the registry gave no batch id")
    return Batch(row[0], contract, file_id, name, night)


# -- what went wrong -----------------------------------------------------------------------------------------
def _hold_rows(db: psycopg.Connection[Any], batch: Batch, held: list[BadRow]) -> None:
    """Rows into quarantine, without their content if the data set is about persons."""
    personal = batch.contract.privacy.level == "person_level"
    db.execute("delete from quarantine.rows where file_id = %s and night = %s", (batch.file_id, batch.night))
    db.cursor().executemany(
        "insert into quarantine.rows (dataset, file_id, batch_id, night, line, sheet, column_name, "
        "expected, found, "
        "reason, record) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                batch.contract.dataset,
                batch.file_id,
                batch.batch_id,
                batch.night,
                row.line or row.row,
                row.sheet,
                row.column,
                row.expected,
                None if personal else _stored(row.found),
                row.reason,
                "(withheld: person-level data)" if personal else _stored(row.record),
            )
            for row in held
        ],
    )


def _stored(text: str | None) -> str | None:
    return None if text is None else text.replace("\x00", "\\x00")[:4000]


def _hold_file(db: psycopg.Connection[Any], batch: Batch, url: str, problem: FileQuarantined) -> None:
    from cityperf.load.quarantined import Quarantined

    parts = problem if isinstance(problem, Quarantined) else Quarantined("-", str(problem), batch.name, "-")
    with db.transaction():
        _drop_table(db, batch.batch_id)
        db.execute(
            "insert into quarantine.files (dataset, file_id, name, url, night, expected, found, reason, "
            "remedy) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (dataset, name, file_id, night) do "
            "update "
            "set expected = excluded.expected, found = excluded.found, reason = excluded.reason, "
            "remedy = excluded.remedy, held_at = now()",
            (
                batch.contract.dataset,
                batch.file_id,
                batch.name,
                url,
                batch.night,
                _stored(parts.expected),
                _stored(parts.found),
                _stored(str(problem)),
                _stored(parts.remedy),
            ),
        )
        db.execute(
            "update ops.batch set state = 'quarantined', message = %s, ended_at = clock_timestamp() where "
            "batch_id = %s",
            (_stored(str(problem)), batch.batch_id),
        )


def _give_up(db: psycopg.Connection[Any], batch: Batch, problem: BaseException) -> None:
    """Leave nothing behind, if the database still answers; if not, the next load reclaims the batch."""
    import psycopg

    try:
        with db.transaction():
            _drop_table(db, batch.batch_id)
            db.execute(
                "update ops.batch set state = 'failed', message = %s, ended_at = clock_timestamp() where "
                "batch_id = %s",
                (_stored(f"{type(problem).__name__}: {problem}"), batch.batch_id),
            )
    except psycopg.Error:
        return


def _reclaim(db: psycopg.Connection[Any], dataset: str) -> None:
    """Batches whose loader died. The caller holds the data set's lock, so none of them is alive."""
    for (batch_id,) in db.execute(
        "select batch_id from ops.batch where dataset = %s and state = 'loading'", (dataset,)
    ).fetchall():
        with db.transaction():
            _drop_table(db, batch_id)
            db.execute(
                "update ops.batch set state = 'failed', message = 'the loader died; reclaimed by the next "
                "one', "
                "ended_at = clock_timestamp() where batch_id = %s",
                (batch_id,),
            )


def _drop_table(db: psycopg.Connection[Any], batch_id: int) -> None:
    from psycopg import sql

    db.execute(sql.SQL("drop table if exists {}").format(sql.Identifier("raw", f"batch_{batch_id}")))


def _lock_errors() -> tuple[type[Exception], ...]:
    import psycopg

    return psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected


@contextmanager
def _one_at_a_time(db: psycopg.Connection[Any], dataset: str) -> Iterator[None]:
    """The data set's advisory lock. It belongs to the connection, so a loader that dies lets go of it."""
    key = ("cityperf.load", dataset)
    patience = time.monotonic() + LOCK_PATIENCE
    pause = 0.02
    while True:
        row = db.execute("select pg_try_advisory_lock(hashtext(%s), hashtext(%s))", key).fetchone()
        if row and row[0]:
            break
        if time.monotonic() > patience:
            raise SourceUnavailable(
                f"{dataset}: expected to load within {LOCK_PATIENCE:.0f} s, found another load of it still "
                f"at work; "
                "look for it in ops.batch (state 'loading') and in pg_stat_activity"
            )
        time.sleep(pause)
        pause = min(1.0, pause * 1.5)
    try:
        yield
    finally:
        if not db.closed and not db.broken:
            db.execute("select pg_advisory_unlock(hashtext(%s), hashtext(%s))", key)
