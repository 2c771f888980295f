"""A rehearsal of a hand-in: read and checked as the night would, in one transaction that is rolled back; then, if it is
no refused file, put into the drop folder for the night.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cityperf.config import Settings
from cityperf.errors import CityperfError, FileQuarantined
from cityperf.handin import Workbook, division_key
from cityperf.handin.changes import since_last
from cityperf.handin.receipt import Held, Receipt, Remark, Taken, compose
from cityperf.load.batch import Batch
from cityperf.load.quarantined import Quarantined
from cityperf.sources import Contract

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True)
class _Rehearsal(Batch):
    """A sheet that is read without a load; its table lives inside one transaction and is seen by nobody else."""

    aside: str = ""

    @property
    def table_name(self) -> str:
        return self.aside


class NoDatabase(CityperfError):
    """The rehearsal needs the stack's PostgreSQL."""


@dataclass(frozen=True)
class Submission:
    """A file as it would be handed in. `name`: its canonical name."""

    path: Path
    name: str
    receipt: Receipt


def rehearse(
    settings: Settings,
    workbook: Workbook,
    path: Path,
    night: date,
    division: str | None = None,
    as_of: date | None = None,
) -> Submission:
    """The receipt that `path` would get on `night`, without changing anything.

    Division and date are those of the title block unless they are given. Raises NoDatabase when PostgreSQL is not up,
    and FileNotFoundError when there is no such file.
    """
    import psycopg

    from cityperf.db import connect

    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    name = _name(workbook, path, division, as_of)
    try:
        db = connect(settings, "loader")
    except (psycopg.OperationalError, RuntimeError) as problem:
        raise NoDatabase(
            f"expected the stack's PostgreSQL of profile {settings.profile!r}, found none ({problem}); "
            "run ./cityperf up first, or put the file into the drop folder and read the receipt tomorrow"
        ) from None
    with db:
        taken = [_read_aside(db, each, path, name, night, at) for at, each in enumerate(workbook.sheets, 1)]
        db.rollback()
    return Submission(path, name, compose(settings, workbook, name, sha256, night, taken))


def hand_in(settings: Settings, workbook: Workbook, submission: Submission) -> Path:
    """Put the file under its canonical name into the drop folder, whole or not at all; returns where it lies."""
    folder = settings.drop / workbook.folder
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / submission.name
    temporary = folder / f".{submission.name}.{os.getpid()}.{secrets.token_hex(4)}.part"
    try:
        with submission.path.open("rb") as source, temporary.open("xb") as handle:
            shutil.copyfileobj(source, handle)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)
    return final


def _read_aside(
    db: psycopg.Connection[Any], contract: Contract, path: Path, name: str, night: date, number: int
) -> Taken:
    """Read and check one sheet as the loader does, in a table that goes with the transaction."""
    from psycopg import sql

    from cityperf.handin.inspect import look
    from cityperf.load.batch import fill
    from cityperf.load.quarantined import fit_to_tell
    from cityperf.load.readers import open_file
    from cityperf.load.register import hold_rows, looked_at, why_empty
    from cityperf.load.tables import ensure

    ensure(db, contract)
    batch = _Rehearsal(0, contract, 0, name, night, f"rehearsal_{db.info.backend_pid}_{number}")
    try:
        with db.transaction():
            seen = looked_at(batch, path)
            if empty := why_empty(db, seen):
                return Taken(contract, "loaded", notes=empty, look=seen.seen)
            reader = open_file(contract, path, name)
            filled = fill(db, batch, reader, None)
            held = hold_rows(db, seen, reader, filled)
    except FileQuarantined as problem:
        told = fit_to_tell(contract, problem)
        parts = (
            told if isinstance(told, Quarantined) else Quarantined("-", str(told), name, "ask the steward")
        )
        refusal = Remark(cell=None, expected=parts.expected, found=parts.found, remedy=parts.remedy)
        return Taken(contract, "refused", refusal=refusal, look=look(path, contract, name, night))
    said = db.execute(sql.SQL("select min(division), max(as_of) from {}").format(batch.table)).fetchone()
    division, as_of = said or (None, None)
    return Taken(
        contract,
        "loaded",
        filled.rows_in,
        [Held(row.line, row.column, row.expected, row.found, row.reason) for row in held],
        notes="; ".join(reader.notes),
        changes=since_last(db, contract, batch.table),
        look=seen.seen,
        division=division,
        as_of=as_of,
    )


def _name(workbook: Workbook, path: Path, division: str | None, as_of: date | None) -> str:
    """The canonical name: division and date as given, else as the workbook says them; the file's own name where nobody
    says. A sheet with the division in every row is its owner's.
    """
    above = any(column.name == "division" and column.above for column in workbook.sheets[0].named_columns)
    found = _said(workbook, path) if division is None or as_of is None else {}
    whose = division or (found.get("division") if above else workbook.divisions[0])
    day = as_of
    if day is None:
        with suppress(ValueError):
            day = date.fromisoformat((found.get("as_of") or "")[:10])
    if not whose or day is None:
        return path.name
    known = {division_key(each): each for each in workbook.divisions}
    return workbook.file_name(known.get(division_key(whose), whose), day)


def _said(workbook: Workbook, path: Path) -> dict[str, str | None]:
    """Division and latest date as the workbook says them; nothing where it cannot be read, which its receipt tells."""
    from cityperf.load.readers import Record, open_file

    for contract in workbook.sheets:
        try:
            reader = open_file(contract, path, path.name)
            rows = [dict(zip(reader.columns, each.values, strict=True))
                    for each in reader.records() if isinstance(each, Record)]  # fmt: skip
        except (FileQuarantined, OSError):
            continue
        if rows:
            days = [row.get("as_of") or "" for row in rows]
            return {"division": rows[0].get("division"), "as_of": max(days)}
    return {}
