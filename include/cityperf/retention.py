"""The end of person-level bytes: after `privacy: {keep}` a landed file goes, and only its manifest row is left.

Before that, the rows that raw has of it are written to a sealed backup, a piece per file; a rebuild of raw takes them
from there (decision 0018). A workbook goes with all its sheets, also those of data sets that are not person-level.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cityperf.config import Settings
from cityperf.errors import CityperfError

if TYPE_CHECKING:
    import psycopg

    from cityperf.load import BatchResult
    from cityperf.load.batch import Batch
    from cityperf.sources import Contract

RESTORED: Final = "restored from the backup of raw: its bytes were deleted after their time"


def expire(settings: Settings, night: date) -> list[str]:
    """Delete the landed bytes whose time was over before `night`; returns the names of the files.

    A file goes only when raw has all the rows that the registry counts and they lie in a backup that was read back;
    one of which that is not true stays, with a warning among the night's checks.
    """
    from cityperf.db import connect
    from cityperf.sources import load_contracts

    contracts = load_contracts()
    kept = {name: each.privacy.keep for name, each in contracts.items() if each.privacy.keep}
    if not kept:
        return []
    gone = []
    with connect(settings, "loader", autocommit=True) as db:
        for dataset, keep in kept.items():
            why = f"{keep.days} days after it was received, as the contract of {dataset} says"
            for sha256, name in db.execute(
                "select sha256, min(name) from ops.landed_file where dataset = %s and expired_on is null "
                "and night < %s group by 1 order by 2",
                (dataset, night - keep),
            ).fetchall():
                problem = _expire(settings, db, contracts, night, sha256, why)
                if problem is None:
                    gone.append(name)
                else:
                    _warn(db, contracts[dataset], night, name, problem)
        _delete_bytes(settings, db)
    return gone


def _expire(
    settings: Settings,
    db: psycopg.Connection[Any],
    contracts: dict[str, Contract],
    night: date,
    sha256: str,
    why: str,
) -> str | None:
    """Back up the rows of all files with these bytes and give the bytes up; returns why not, if so."""
    from cityperf.load import one_at_a_time

    files = db.execute(
        "select file_id, dataset from ops.landed_file where sha256 = %s and expired_on is null order by 1",
        (sha256,),
    ).fetchall()
    for file_id, dataset in files:
        if dataset not in contracts:
            continue  # retired: nothing rebuilds it
        with one_at_a_time(db, dataset):
            problem = _back_up(settings, db, contracts[dataset], file_id, night)
        if problem:
            return problem
    db.execute(
        "update ops.landed_file set expired_on = %s, expired_why = %s where file_id = any(%s)",
        (night, why, [file_id for file_id, _ in files]),
    )
    return None


def _delete_bytes(settings: Settings, db: psycopg.Connection[Any]) -> None:
    """The bytes that were given up, also those that a killed run left."""
    from cityperf.landing import path_of

    for (sha256,) in db.execute(
        "select sha256 from ops.landed_file group by 1 having bool_and(expired_on is not null)"
    ).fetchall():
        path_of(settings, sha256).unlink(missing_ok=True)


# -- the backup ----------------------------------------------------------------------------------------------
def backup_path(settings: Settings, dataset: str, file_id: int) -> Path:
    return settings.backup / dataset / f"{file_id}.csv.gz.sealed"


def _back_up(
    settings: Settings, db: psycopg.Connection[Any], contract: Contract, file_id: int, night: date
) -> str | None:
    """Write the rows that raw has of a file, once; returns why they cannot stand in for it, if so."""
    from psycopg import sql

    from cityperf import landing, sealing
    from cityperf.load.batch import columns_of

    if db.execute("select 1 from ops.raw_backup where file_id = %s", (file_id,)).fetchone():
        return None
    rows, problem = _rows_in_raw(db, contract, file_id)
    if problem or not rows:
        return problem
    columns = [*columns_of(db, contract.table), "_row", "_sheet", "_file_id", "_night"]
    query = sql.SQL(
        "copy (select {} from {} where _file_id = {} order by _row) to stdout (format csv, header)"
    ).format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier("raw", contract.table),
        sql.Literal(file_id),
    )
    final = backup_path(settings, contract.dataset, file_id)
    what = final.name.removesuffix(landing.SEALED)
    with landing.unnamed(settings) as (plain, _), landing.incoming(settings) as sealed:
        with gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as packed, db.cursor().copy(query) as copy:
            for chunk in copy:
                packed.write(chunk)
        plain.seek(0)
        expected = _digest(iter(lambda: plain.read(1 << 20), b""))
        plain.seek(0)
        keys = sealing.keys_of(settings)
        sealing.seal(keys, plain, sealed.handle, what)
        landing.settle(sealed.handle, sealed.path, final)
    with final.open("rb") as handle:
        written = _digest(sealing.unsealed(keys, handle, what, str(final)))
    if written != expected:
        return f"a backup that reads otherwise than it was written, at {final}"
    db.execute(
        "insert into ops.raw_backup (file_id, night, rows, bytes) values (%s, %s, %s, %s)",
        (file_id, night, rows, final.stat().st_size),
    )
    return None


def _digest(chunks: Iterator[bytes]) -> bytes:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def _rows_in_raw(db: psycopg.Connection[Any], contract: Contract, file_id: int) -> tuple[int, str | None]:
    """How many rows raw has of a file, and what is wrong if they are not those that the registry says."""
    from psycopg import sql

    table = sql.Identifier("raw", contract.table)
    if db.execute("select to_regclass(%s)", (f"raw.{contract.table}",)).fetchone() == (None,):
        return 0, None
    counted = db.execute(
        sql.SQL("select count(*) from {} where _file_id = %s").format(table), (file_id,)
    ).fetchone()
    rows = int(counted[0]) if counted else 0
    if contract.partition is None:
        said = db.execute(
            "select rows_loaded from ops.batch where file_id = %s and state in ('loaded', 'superseded') "
            "and rows_loaded is not null order by batch_id desc limit 1",
            (file_id,),
        ).fetchone()
        expected, found = f"{said[0] if said else 0:,} rows", f"{rows:,}"
        right = rows == (said[0] if said else 0)
    else:
        served = db.execute(
            "select distinct unnest(periods) from ops.batch where file_id = %s and state = 'loaded' order by 1",
            (file_id,),
        ).fetchall()
        there = db.execute(
            sql.SQL("select distinct _period from {} where _file_id = %s order by 1").format(table),
            (file_id,),
        ).fetchall()
        expected, found = (", ".join(row[0] for row in each) or "no period" for each in (served, there))
        right = served == there
    return (
        rows,
        None if right else f"raw.{contract.table} with {found} of it, where the registry says {expected}",
    )


def _warn(db: psycopg.Connection[Any], contract: Contract, night: date, name: str, problem: str) -> None:
    from cityperf.quality.results import Rule, record, result_of

    rule = Rule(
        check="retention",
        expectation="",
        arguments={},
        severity="warn",
        owner=contract.owner.steward,
        runbook="landing_key.md#retention",
        expected="the rows of a file to be safe in a backup before its bytes are deleted",
        remedy="its bytes were left in landing; rebuild the data set, and the next night tries again",
        location=name,
    )
    result = result_of(rule, "landing", f"retention.{contract.dataset}", contract.dataset, False, problem)
    record(db, night, [result])


# -- the way back --------------------------------------------------------------------------------------------
def restore(settings: Settings, db: psycopg.Connection[Any], batch: Batch) -> BatchResult | None:
    """Attach the rows that were backed up of a file whose bytes were deleted; None while landing has them.

    To be called like a load, inside the data set's lock. A file of which raw had no rows left is only written down.
    Raises FileNotFoundError when the backup is not there.
    """
    from cityperf.load import leave, patiently

    row = db.execute(
        "select f.expired_on is not null, b.rows from ops.landed_file as f left join ops.raw_backup as b "
        "using (file_id) where f.file_id = %s",
        (batch.file_id,),
    ).fetchone()
    expired, rows = row or (False, None)
    if not expired:
        return None
    if rows is None:
        return leave(
            db, batch, "its bytes were deleted after their time, when none of its rows stood any more"
        )
    path = backup_path(settings, batch.contract.dataset, batch.file_id)
    if not path.exists():
        raise FileNotFoundError(
            f"expected the {rows:,} rows of {batch.name} at {path}, found nothing; bring the profile's backup "
            "folder back from its own backup"
        )
    period = _fill(settings, db, batch, path)
    return patiently(db, lambda: _finish(db, batch, rows, period))


def _fill(settings: Settings, db: psycopg.Connection[Any], batch: Batch, path: Path) -> str | None:
    """Make and fill the batch's own table; returns the period of the file's name, if the data set has them."""
    from psycopg import sql

    from cityperf.load import period_of_name
    from cityperf.load.batch import make
    from cityperf.load.header import META
    from cityperf.load.readers import Reader

    period = period_of_name(db, batch)
    content = _unpacked(settings, path)
    head = b""
    while b"\n" not in head:
        head += next(content)
    line, _, rest = head.partition(b"\n")
    columns = next(csv.reader([line.decode()]))
    with db.transaction():
        make(db, batch, Reader(tuple(c for c in columns if c not in META), lambda: iter(())), period)
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(batch.table, names)
        with db.cursor().copy(statement) as copy:
            copy.write(rest)
            for chunk in content:
                copy.write(chunk)
        for column in batch.contract.named_columns:
            if column.personal and column.name in columns:  # since the backup was made
                drop = sql.SQL("alter table {} drop column {}")
                db.execute(drop.format(batch.table, sql.Identifier(str(column.name))))
    return period


def _unpacked(settings: Settings, path: Path) -> Iterator[bytes]:
    from cityperf import landing, sealing

    unpacking = zlib.decompressobj(wbits=31)
    with path.open("rb") as handle:
        what = path.name.removesuffix(landing.SEALED)
        for chunk in sealing.unsealed(sealing.keys_of(settings), handle, what, str(path)):
            yield unpacking.decompress(chunk)
    if not unpacking.eof:
        raise CityperfError(f"expected the whole backup at {path}, found one that breaks off")


def _finish(db: psycopg.Connection[Any], batch: Batch, rows: int, period: str | None) -> BatchResult:
    """As at the end of a load; what was counted and held when the file was first loaded stays as it was."""
    from cityperf.load import BatchResult, move_cursor
    from cityperf.load.attach import Arrived, attach

    counts = attach(db, batch, Arrived(rows, (), period))
    partitioned = batch.contract.partition is not None
    row = db.execute(
        """
        update ops.batch as b set state = %s, rows_in = first.rows_in, rows_loaded = %s,
            rows_quarantined = first.rows_quarantined, rows_new = %s, rows_changed = %s, rows_unchanged = %s,
            rows_at_source = first.rows_at_source, control_total = first.control_total,
            schema_change = first.schema_change, periods = %s, periods_confirmed = %s,
            periods_in = first.periods_in, message = %s, ended_at = clock_timestamp()
        from (
            select * from ops.batch where file_id = %s and batch_id <> %s and state in ('loaded', 'superseded')
                and rows_loaded is not null order by batch_id desc limit 1
        ) as first
        where b.batch_id = %s
        returning b.rows_in, b.rows_quarantined
        """,
        (
            "loaded" if counts.stands_for or not partitioned else "superseded",
            counts.loaded,
            counts.new,
            counts.changed,
            counts.unchanged,
            list(counts.periods) if partitioned else None,
            list(counts.confirmed) if partitioned else None,
            RESTORED,
            batch.file_id,
            batch.batch_id,
            batch.batch_id,
        ),
    ).fetchone()
    move_cursor(db, batch)
    rows_in, held = row or (rows, 0)
    return BatchResult(
        batch.batch_id,
        rows_in,
        counts.loaded,
        held,
        counts.new,
        counts.changed,
        counts.unchanged,
        counts.stands_for,
        RESTORED,
    )
