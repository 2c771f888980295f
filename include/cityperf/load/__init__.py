"""Loading: a landed file into raw, whole or not at all.

The bytes go by COPY into a table of the batch's own, committed but attached to nothing, so nobody sees it.
The contract's checks and the landing gate look at it there. Then one transaction makes the rows visible,
moves the cursor and closes the batch. A loader that is killed leaves a table and a batch in state
'loading'; the next load of the data set removes both. Loads of one data set go one after the other, by an
advisory lock. Which of two deliveries stands is decided by their stamps, not by who loads first: see
`cityperf.load.order`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cityperf.config import Settings
from cityperf.errors import FileQuarantined, SourceUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from cityperf.load.attach import Arrived, Backfill, Counts
    from cityperf.load.batch import Batch
    from cityperf.load.quarantined import BadRow
    from cityperf.load.readers import Reader
    from cityperf.sources import Contract

__all__ = [
    "BatchResult", "FileQuarantined", "backfill_file", "brought", "ensure_raw_tables", "load_file", "load_files",
    "lots", "rebuild",
]  # fmt: skip

LOT_FILES: Final = 25  # at most so many files, and so many bytes of them, are loaded by one task
LOT_BYTES: Final = 4 << 20
LOCK_PATIENCE: Final = 900.0  # seconds to wait for another load of the same data set
SWAP_ATTEMPTS: Final = 8  # of the last transaction, each waiting at most SWAP_WAIT for readers of the table
SWAP_WAIT: Final = "5s"

Gate = Callable[..., Any]
Result = TypeVar("Result")


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
    from cityperf.load import order

    with connect(settings, "loader", autocommit=True) as db, one_at_a_time(db, contract.dataset):
        _reclaim(db, contract.dataset)
        name, _, _ = landed(db, contract, file_id)
        anew = bool(order.come_anew(db, night, [file_id]))
        result = None if anew else _already(db, contract, file_id, name)
        try:
            if result is None:
                stamp = order.stamp_of(db, night, file_id)
                result = _load_delivery(settings, db, contract, night, file_id, stamp, gate)
        except FileQuarantined:
            _answer(settings, db, contract, file_id)
            raise
        _answer(settings, db, contract, file_id)
        return result


def lots(settings: Settings, file_ids: Sequence[int]) -> list[list[int]]:
    """Landed files, in their order, in lots worth a task: many small ones together, a large one by itself.

    Files of one data set are loaded one after the other whatever happens, and starting a task costs more than
    loading a division's workbook.
    """
    from cityperf.db import connect

    with connect(settings, "loader", autocommit=True) as db:
        query = "select file_id, bytes from ops.landed_file where file_id = any(%s)"
        sizes = dict(db.execute(query, (list(file_ids),)).fetchall())
    found: list[list[int]] = []
    room = 0
    for file_id in file_ids:
        if not found or len(found[-1]) == LOT_FILES or sizes[file_id] > room:
            found.append([])
            room = LOT_BYTES
        found[-1].append(file_id)
        room -= sizes[file_id]
    return found


def load_files(
    settings: Settings, night: date, contract: Contract, file_ids: Sequence[int], *, gate: Gate | None = None
) -> list[BatchResult]:
    """`load_file` for each of them; one that fails does not keep out those after it.

    Afterwards raises what the first one met that a repetition may mend, or else the first refusal. A repetition
    leaves alone what was loaded.
    """
    results: list[BatchResult] = []
    problems: list[Exception] = []
    with ExitStack() as opened:
        if gate is None and len(file_ids) > 1:
            from cityperf.quality import gate_of_lot

            gate = opened.enter_context(gate_of_lot(settings))
        for file_id in file_ids:
            try:
                results.append(load_file(settings, night, contract, file_id, gate=gate))
            except Exception as problem:
                problems.append(problem)
    if problems:
        raise next((each for each in problems if not isinstance(each, FileQuarantined)), problems[0])
    return results


def brought(settings: Settings, night: date, results: Sequence[BatchResult]) -> dict[str, Any]:
    """What an asset event tells of a lot: the night, rows by what became of them, periods, and each file's SHA-256."""
    from cityperf.db import connect

    with connect(settings, "loader") as db:
        files = db.execute(
            "select name, sha256 from ops.batch join ops.landed_file using (file_id) "
            "where batch_id = any(%s) order by batch_id",
            ([each.batch_id for each in results],),
        ).fetchall()
    rows = ("rows_in", "loaded", "new", "changed", "unchanged", "quarantined")
    return {
        "night": night.isoformat(),
        **{name: sum(getattr(each, name) for each in results) for name in rows},
        "periods": sorted({period for each in results for period in each.periods}),
        "files": dict(files),
    }


def _answer(settings: Settings, db: psycopg.Connection[Any], contract: Contract, file_id: int) -> None:
    """The receipt for what a division handed in. A folder that cannot be written does not undo a load."""
    if contract.register is None:
        return
    from cityperf.handin.receipt import answer

    try:
        answer(settings, db, contract, file_id)
    except OSError as problem:
        logging.getLogger(__name__).warning("%s: no receipt was written: %s", contract.dataset, problem)


def _load_delivery(
    settings: Settings,
    db: psycopg.Connection[Any],
    contract: Contract,
    night: date,
    file_id: int,
    stamp: str,
    gate: Gate | None,
) -> BatchResult:
    """Load a file that does not stand yet, or, if its bytes were deleted after their time, the rows kept of it. The
    caller holds the data set's lock.
    """
    from cityperf.load import order
    from cityperf.load.quarantined import fit_to_tell
    from cityperf.retention import restore

    name, _, url = landed(db, contract, file_id)
    ensure_raw_tables(settings, {contract.dataset: contract}, db)
    batch = _begin(db, contract, night, file_id, name, stamp)
    try:
        nothing_new = order.reason_to_leave(db, batch)
        if nothing_new is not None:
            return leave(db, batch, nothing_new)
        if _rows_are_there(db, contract, file_id, batch.batch_id):
            return _stand_again(db, batch)
        return restore(settings, db, batch) or _load(settings, db, batch, gate)
    except BaseException as problem:
        told = fit_to_tell(contract, problem)
        if isinstance(told, FileQuarantined):
            _hold_file(db, batch, url, told)
            raise FileQuarantined(f"{contract.dataset}: {told}") from None
        _give_up(db, batch, told)
        if told is problem:
            raise
        raise told from None


def backfill_file(
    settings: Settings,
    contract: Contract,
    file_id: int,
    night: date,
    what: Backfill,
    *,
    gate: Gate | None = None,
) -> BatchResult:
    """Read a delivery of `night` again from landing and put its rows in the place of those that it has in raw.

    Only where it still stands; what is replaced is kept (`cityperf.load.backfill`). The same checks as for a
    new file. Raises FileQuarantined when they fail, after which everything is as before.
    """
    from dataclasses import replace

    from cityperf.db import connect
    from cityperf.load import order
    from cityperf.load.quarantined import fit_to_tell

    with connect(settings, "loader", autocommit=True) as db, one_at_a_time(db, contract.dataset):
        _reclaim(db, contract.dataset)
        name, _, _ = landed(db, contract, file_id)
        ensure_raw_tables(settings, {contract.dataset: contract}, db)
        batch = _begin(
            db, contract, night, file_id, name, order.stamp_before(db, night, file_id), backfill=True
        )
        try:
            if contract.partition is not None:
                standing = order.stands_for(db, file_id)
                what = replace(what, periods=tuple(each for each in what.periods if each in standing))
                if not what.periods:
                    return leave(db, batch, "a newer delivery stands for all these periods already")
            return _load(settings, db, batch, gate, what)
        except BaseException as problem:
            told = fit_to_tell(contract, problem)
            _give_up(db, batch, told)
            if isinstance(told, FileQuarantined):
                raise FileQuarantined(f"{contract.dataset}: {told}") from None
            if told is problem:
                raise
            raise told from None


def load_released(
    settings: Settings, night: date, contract: Contract, file_id: int, held_on: date
) -> BatchResult:
    """Load on `night` a file that a steward released, as a delivery as new as it was when it was held on `held_on`.

    What is a matter of judgement is waived: the landing gate, fewer rows than before, a new column, and a policy that
    holds a whole file for single rows, which are held then. Raises FileQuarantined when it breaks the contract
    otherwise (it is held again), and when a newer delivery of its name stands (nothing was touched).
    """
    from cityperf.db import connect
    from cityperf.load import order

    firm, drift = ("quarantine_file", "stop"), contract.drift
    waived: dict[str, str] = {"fewer_rows": "warn"}
    if drift.type_error in firm:
        waived["type_error"] = "quarantine_row"
    if drift.new_column in firm:
        waived["new_column"] = "ignore" if contract.privacy.level == "person_level" else "warn"
    if drift.unknown_sheet in firm:
        waived["unknown_sheet"] = "warn"
    if drift.missing_column == "stop":
        waived["missing_column"] = "quarantine_file"
    accepted = contract.model_copy(update={"drift": drift.model_copy(update=waived)})
    with connect(settings, "loader", autocommit=True) as db, one_at_a_time(db, contract.dataset):
        _reclaim(db, contract.dataset)
        newer = order.newer_than_held(db, contract, file_id, held_on)
        if newer is not None:
            raise FileQuarantined(newer)
        stamp = order.stamp_of(db, held_on, file_id)
        result = _load_delivery(
            settings, db, accepted, night, file_id, stamp, lambda *_: []
        )  # a person looked at it
        _answer(settings, db, contract, file_id)
        return result


def landed(db: psycopg.Connection[Any], contract: Contract, file_id: int) -> tuple[str, str, str]:
    """Name, SHA-256 and address of a landed file."""
    row = db.execute(
        "select name, sha256, url from ops.landed_file where file_id = %s", (file_id,)
    ).fetchone()
    if row is None:
        raise ValueError(f"{contract.dataset}: no landed file has the id {file_id}; extract the source again")
    name, sha256, url = row
    return name, sha256, url


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
    nights; those whose bytes were deleted after their time come from the backup of raw.

    What was quarantined stays so. Killed in the middle, it can be started again: the registry keeps the
    list.
    """
    from cityperf.db import connect
    from cityperf.load.order import REBUILT, overtaken
    from cityperf.load.tables import drop, ensure

    with connect(settings, "loader", autocommit=True) as db, one_at_a_time(db, contract.dataset):
        _reclaim(db, contract.dataset)
        deliveries = db.execute(
            """
            select b.night, b.stamp, f.name collate "C" as name, b.file_id, max(b.batch_id) as last
            from ops.batch as b join ops.landed_file as f using (file_id)
            where b.dataset = %s and b.state in ('loaded', 'superseded')
            group by 1, 2, 3, 4
            order by 1, 2, 3, 5
            """,
            (contract.dataset,),
        ).fetchall()
        with db.transaction():
            ensure(db, contract)  # the table itself may be what was lost
            drop(db, contract)
            ensure(db, contract)
            db.execute(
                "update ops.batch set state = 'superseded', periods = '{}', periods_confirmed = '{}', "
                "message = %s where dataset = %s and (state = 'loaded' "
                # of several deliveries of one night only the last counts as loaded, but raw had the rows of all
                "or state = 'superseded' and %s and rows_loaded > 0)",
                (REBUILT, contract.dataset, contract.partition is None),
            )
            db.execute("delete from ops.cursor where dataset = %s", (contract.dataset,))
        lenient = contract.drift.model_copy(update={"fewer_rows": "warn"})
        accepted = contract.model_copy(update={"drift": lenient})
        return [
            (None if overtaken(db, file_id, stamp) else _already(db, contract, file_id, name))
            or _load_delivery(settings, db, accepted, night, file_id, stamp, _open_gate)
            for night, stamp, name, file_id, _ in deliveries
        ]


def _open_gate(*_: object) -> list[Any]:
    """A rebuild repeats what passed the gate on its own night; judging it by later rules would change
    history.
    """
    return []


# -- the steps of a load -------------------------------------------------------------------------------------
def _load(
    settings: Settings,
    db: psycopg.Connection[Any],
    batch: Batch,
    gate: Gate | None,
    backfill: Backfill | None = None,
) -> BatchResult:
    from cityperf.landing import opened

    with opened(settings, db, batch.file_id) as path:
        return _load_from(settings, db, batch, path, gate, backfill)


def _load_from(
    settings: Settings,
    db: psycopg.Connection[Any],
    batch: Batch,
    path: Path,
    gate: Gate | None,
    backfill: Backfill | None,
) -> BatchResult:
    from cityperf.load.attach import Arrived, leave_only
    from cityperf.load.batch import fill
    from cityperf.load.checks import check_control_total, hold_bad_rows
    from cityperf.load.readers import open_file
    from cityperf.load.reconcile import reconcile
    from cityperf.load.register import hold_rows, looked_at, why_empty

    contract = batch.contract
    hand_in = looked_at(batch, path, again=gate is _open_gate) if contract.register else None
    if hand_in and (empty := why_empty(db, hand_in)):
        return _stand_empty(db, batch, empty)
    reader = open_file(contract, path, batch.name)
    period = period_of_name(db, batch)
    filled = fill(db, batch, reader, period)
    if hand_in:
        held = hold_rows(db, hand_in, reader, filled)
    else:
        held = [*filled.held, *hold_bad_rows(db, batch, reader, filled.held, filled.rows_in)]
    total = check_control_total(db, batch)
    counted = reconcile(db, batch, filled.rows_in)
    left_out = leave_only(db, batch, backfill.periods) if backfill and contract.partition else 0
    _pass_gate(settings, db, batch, gate)
    arrived = Arrived(
        filled.rows_in - len(held) - left_out, tuple(reader.new), period, reader.open_end, backfill
    )
    return patiently(db, lambda: _finish(db, batch, reader, arrived, filled.rows_in, held, total, counted))


def patiently(db: psycopg.Connection[Any], swap: Callable[[], Result]) -> Result:
    """Run `swap` in a transaction, again if somebody reads the table for long: each time it steps back, so that
    readers behind it are not kept waiting.
    """
    for attempt in range(SWAP_ATTEMPTS):
        try:
            with db.transaction():
                db.execute("select set_config('lock_timeout', %s, true)", (SWAP_WAIT,))
                return swap()
        except _lock_errors():
            if attempt == SWAP_ATTEMPTS - 1:
                raise
            time.sleep(0.5 * 2**attempt)
    raise AssertionError("the loop above returns or raises")


def _finish(
    db: psycopg.Connection[Any],
    batch: Batch,
    reader: Reader,
    arrived: Arrived,
    rows_in: int,
    held: list[BadRow],
    total: Any,
    rows_at_source: int | None,
) -> BatchResult:
    from psycopg.types.json import Jsonb

    from cityperf.load.attach import attach
    from cityperf.load.order import newer_stands

    contract = batch.contract
    counts = attach(db, batch, arrived)
    _hold_rows(db, batch, held)
    _tell_released(db, batch)
    notes = [*reader.notes, *_drift_notes(contract, reader), *([counts.note] if counts.note else [])]
    if contract.partition is None and not arrived.backfill and newer_stands(db, batch):
        notes.append(f"a newer delivery of {batch.name} stands already")
    if rows_at_source is not None and rows_at_source != rows_in:
        notes.append(f"the source counted {rows_at_source:,} rows, the file has {rows_in:,}")
    if held:
        notes.append(f"{len(held)} rows held: {held[0].reason} (line {held[0].line or held[0].row})")
    message = "; ".join(notes) or None
    change = {k: v for k, v in (("new", dict(reader.new)), ("missing", list(reader.missing))) if v}
    db.execute(
        """
        update ops.batch set state = %s, rows_in = %s, rows_loaded = %s, rows_quarantined = %s, rows_new = %s,
            rows_changed = %s, rows_unchanged = %s, rows_at_source = %s, periods = %s,
            periods_confirmed = %s, periods_in = %s, control_total = %s, schema_change = %s, message = %s,
            ended_at = clock_timestamp()
        where batch_id = %s
        """,
        (
            _state(contract, counts, arrived),
            rows_in,
            counts.loaded,
            len(held),
            counts.new,
            counts.changed,
            counts.unchanged,
            rows_at_source,
            *(
                list(each) if contract.partition else None
                for each in (counts.periods, counts.confirmed, counts.brought)
            ),
            total,
            Jsonb(change) if change else None,
            message,
            batch.batch_id,
        ),
    )
    move_cursor(db, batch)
    return BatchResult(
        batch.batch_id,
        rows_in,
        counts.loaded,
        len(held),
        counts.new,
        counts.changed,
        counts.unchanged,
        counts.stands_for,
        message,
    )


def _state(contract: Contract, counts: Counts, arrived: Arrived) -> str:
    """A file of which every period has a newer delivery is superseded the moment it arrives; so is a backfill
    that found nothing to replace.
    """
    if contract.partition:
        return "loaded" if counts.stands_for else "superseded"
    return "superseded" if arrived.backfill and not counts.new + counts.changed + counts.gone else "loaded"


def _drift_notes(contract: Contract, reader: Reader) -> Iterator[str]:
    if reader.new and contract.drift.new_column == "warn":
        yield f"new columns {', '.join(map(repr, reader.new.values()))}: loaded, not in the contract"
    if reader.missing:
        yield f"columns {', '.join(reader.missing)} are missing"


def move_cursor(db: psycopg.Connection[Any], batch: Batch) -> None:
    """The name's cursor stands on its latest delivery, whichever was loaded last; of several in one night on
    a table that keeps them all, only that one counts as loaded.
    """
    from cityperf.load.order import REBUILT

    asked = {"dataset": batch.contract.dataset, "name": batch.name, "night": batch.night, "rebuilt": REBUILT}
    db.execute(
        """
        insert into ops.cursor (dataset, name, file_id, night)
        select b.dataset, f.name, b.file_id, b.night
        from ops.batch as b join ops.landed_file as f using (file_id)
        where b.dataset = %(dataset)s and f.name = %(name)s and b.state in ('loaded', 'superseded')
            and b.message is distinct from %(rebuilt)s
        order by b.stamp desc, b.night desc, b.batch_id desc limit 1
        on conflict (dataset, name) do update set file_id = excluded.file_id, night = excluded.night
        """,
        asked,
    )
    if batch.contract.partition is None:
        db.execute(
            """
            update ops.batch set state = 'superseded'
            where batch_id in (
                select b.batch_id
                from ops.batch as b join ops.landed_file as f using (file_id)
                where b.dataset = %(dataset)s and f.name = %(name)s and b.night = %(night)s
                    and b.state = 'loaded' and not b.is_backfill
                order by b.stamp desc, b.batch_id desc offset 1
            )
            """,
            asked,
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


def period_of_name(db: psycopg.Connection[Any], batch: Batch) -> str | None:
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
def _already(db: psycopg.Connection[Any], contract: Contract, file_id: int, name: str) -> BatchResult | None:
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
    from cityperf.load.order import REBUILT

    if contract.partition is not None:
        return False
    row = db.execute(
        "select 1 from ops.batch where file_id = %s and batch_id <> %s and state in ('loaded', 'superseded') "
        "and rows_loaded is not null and message is distinct from %s limit 1",
        (file_id, batch_id, REBUILT),
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
        db.execute(
            "update ops.batch set state = 'loaded', rows_in = %s, rows_loaded = %s, rows_new = 0, "
            "rows_changed = 0, "
            "rows_unchanged = %s, message = %s, ended_at = clock_timestamp() where batch_id = %s",
            (rows_in, loaded, loaded, message, batch.batch_id),
        )
        move_cursor(db, batch)
    return BatchResult(batch.batch_id, rows_in, loaded, held, 0, 0, loaded, (), message)


def leave(db: psycopg.Connection[Any], batch: Batch, reason: str) -> BatchResult:
    """A delivery that changes nothing: written down with the reason, and that is all."""
    with db.transaction():
        db.execute(
            "update ops.batch set state = 'superseded', message = %s, ended_at = clock_timestamp() where "
            "batch_id = %s",
            (reason, batch.batch_id),
        )
        move_cursor(db, batch)
    return BatchResult(batch.batch_id, 0, 0, 0, 0, 0, 0, (), reason)


def _stand_empty(db: psycopg.Connection[Any], batch: Batch, message: str) -> BatchResult:
    """A sheet on which nothing was handed in, and rightly so."""
    with db.transaction():
        db.execute(
            "update ops.batch set state = 'loaded', rows_in = 0, rows_loaded = 0, rows_quarantined = 0, rows_new = 0, "
            "rows_changed = 0, rows_unchanged = 0, message = %s, ended_at = clock_timestamp() where batch_id = %s",
            (message, batch.batch_id),
        )
        move_cursor(db, batch)
    return BatchResult(batch.batch_id, 0, 0, 0, 0, 0, 0, (), message)


def _begin(
    db: psycopg.Connection[Any],
    contract: Contract,
    night: date,
    file_id: int,
    name: str,
    stamp: str,
    *,
    backfill: bool = False,
) -> Batch:
    from cityperf.load.batch import Batch

    row = db.execute(
        "insert into ops.batch (dataset, file_id, night, stamp, is_backfill, state) "
        "values (%s, %s, %s, %s, %s, 'loading') returning batch_id",
        (contract.dataset, file_id, night, stamp, backfill),
    ).fetchone()
    if row is None:
        raise RuntimeError("the registry gave no batch id")
    return Batch(row[0], contract, file_id, name, night)


# -- what went wrong -----------------------------------------------------------------------------------------
def _hold_rows(db: psycopg.Connection[Any], batch: Batch, held: list[BadRow]) -> None:
    """Rows into quarantine, without their content if the data set is about persons.

    A row that is held again keeps its place there, and stays discarded if a steward said so. One that was released and
    breaks the contract all the same is held again.
    """
    personal = batch.contract.privacy.level == "person_level"
    db.execute(
        "delete from quarantine.rows where file_id = %s and night = %s and state = 'held' "
        "and (row_number is null or not row_number = any(%s))",
        (batch.file_id, batch.night, [row.row for row in held]),
    )
    discarded = {
        row[0]
        for row in db.execute(
            "select row_number from quarantine.rows where file_id = %s and state = 'discarded'",
            (batch.file_id,),
        )
    }
    db.cursor().executemany(
        "insert into quarantine.rows as q (dataset, file_id, batch_id, night, row_number, line, sheet, column_name, "
        "expected, found, reason, record, key, state) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (file_id, night, row_number) do update set "
        "column_name = excluded.column_name, expected = excluded.expected, found = excluded.found, "
        "reason = excluded.reason, record = excluded.record, key = excluded.key, state = excluded.state, "
        "loaded_by = null",
        [
            (
                batch.contract.dataset,
                batch.file_id,
                batch.batch_id,
                batch.night,
                row.row,
                row.line or row.row,
                row.sheet,
                row.column,
                row.expected,
                None if personal else _stored(row.found),
                row.reason,
                "(withheld: person-level data)" if personal else _stored(row.record),
                None if personal else _key(batch.contract, row),
                "discarded" if row.row in discarded else "held",
            )
            for row in held
        ],
    )


def _tell_released(db: psycopg.Connection[Any], batch: Batch) -> None:
    """Which of the rows that a steward let in are in raw now, as rows of this very file."""
    from psycopg import sql

    from cityperf.load.checks import released

    rows = list(released(db, batch.file_id))
    if rows:
        db.execute(
            sql.SQL(
                "update quarantine.rows as q set loaded_by = case when exists (select from {} as r "
                "where r._file_id = q.file_id and r._row = q.row_number) then %s::bigint end "
                "where q.file_id = %s and q.row_number = any(%s) and q.state = 'released'"
            ).format(batch.target),
            (batch.batch_id, batch.file_id, rows),
        )


def _key(contract: Contract, row: BadRow) -> str | None:
    """The row's key as JSON, as far as its values are known."""
    values = {name: row.values.get(name) or "" for name in contract.keys}
    known = {name: value for name, value in values.items() if value and value.isprintable()}
    return json.dumps(known, ensure_ascii=False) if known else None


def _stored(text: str | None) -> str | None:
    return None if text is None else text.replace("\x00", "\\x00")[:4000]


def _hold_file(db: psycopg.Connection[Any], batch: Batch, url: str, problem: FileQuarantined) -> None:
    from cityperf.load.quarantined import Quarantined

    parts = problem if isinstance(problem, Quarantined) else Quarantined("-", str(problem), batch.name, "-")
    with db.transaction():
        _drop_table(db, batch.batch_id)
        db.execute(
            "insert into quarantine.files (dataset, file_id, name, url, night, expected, found, reason, "
            "remedy, state) "
            "values (%(dataset)s, %(file)s, %(name)s, %(url)s, %(night)s, %(expected)s, %(found)s, %(reason)s, "
            "%(remedy)s, case when exists (select from quarantine.files where file_id = %(file)s "
            "and state = 'discarded') then 'discarded' else 'held' end) "
            "on conflict (dataset, name, file_id, night) do update "
            "set expected = excluded.expected, found = excluded.found, reason = excluded.reason, "
            "remedy = excluded.remedy, state = excluded.state, held_at = now()",
            {
                "dataset": batch.contract.dataset,
                "file": batch.file_id,
                "name": batch.name,
                "url": url,
                "night": batch.night,
                "expected": _stored(parts.expected),
                "found": _stored(parts.found),
                "reason": _stored(str(problem)),
                "remedy": _stored(parts.remedy),
            },
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
def one_at_a_time(db: psycopg.Connection[Any], dataset: str) -> Iterator[None]:
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
