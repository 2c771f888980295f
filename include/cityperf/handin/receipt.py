"""The answer to a hand-in: what was accepted, what was not and how to mend it, and what changed since the last one.

A receipt is made of what the load wrote down, so the same load gives the same bytes. It lies beside the file, in
`drop/<folder>/receipts`, as HTML for people and JSON for programs, and goes by mail once all sheets were read.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from cityperf.config import Settings
from cityperf.handin import Workbook, register_of, sheet_name, workbook_of
from cityperf.handin.changes import Changes, since_last
from cityperf.handin.words import english
from cityperf.sources import Contract, Words

if TYPE_CHECKING:
    import psycopg

    from cityperf.handin.inspect import Look

FOLDER: Final = "receipts"
AGAIN: Final = "then hand in the whole workbook again"
WITHHELD: Final = "(not shown: data about persons)"

Outcome = Literal["accepted", "partly", "refused", "pending"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Refused(_Frozen):
    """A cell for which its row was not accepted: what was expected, what came, how to mend it."""

    row: int | None
    cell: str | None
    column: str | None
    expected: str
    found: str | None
    remedy: str


class Remark(_Frozen):
    """Something about the sheet as a whole: why it was refused, or what to look at."""

    cell: str | None
    expected: str
    found: str
    remedy: str


class SheetReceipt(_Frozen):
    """One sheet. `rows`: records that were read; of a sheet that was refused or is still to be read, none."""

    dataset: str
    title: Words
    sheet: str
    outcome: Outcome
    rows: int = 0
    accepted: int = 0
    refused: tuple[Refused, ...] = ()
    refusals: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()
    notes: str = ""
    changes: Changes | None = None


class Receipt(_Frozen):
    """One hand-in, all its sheets."""

    workbook: str
    file: str
    sha256: str
    night: date
    division: str
    as_of: str
    steward: str
    outcome: Outcome
    is_sample: bool
    sheets: tuple[SheetReceipt, ...]


@dataclass(frozen=True)
class Held:
    """A row as the checks held it; `line` of its sheet."""

    line: int | None
    column: str | None
    expected: str
    found: str | None
    reason: str


@dataclass(frozen=True)
class Taken:
    """How the reading of one sheet ended, whoever read it: the nightly load or a rehearsal."""

    contract: Contract
    state: Literal["loaded", "refused", "pending"]
    rows: int = 0
    held: Sequence[Held] = ()
    refusal: Remark | None = None
    notes: str = ""
    changes: Changes | None = None
    look: Look | None = None
    division: str | None = None
    as_of: str | None = None


# -- from the load to files ----------------------------------------------------------------------------------
def answer(settings: Settings, db: psycopg.Connection[Any], contract: Contract, file_id: int) -> Receipt:
    """Write the receipt of the hand-in that this landed file is a sheet of, and mail it when it is complete.

    To be called when the load of the sheet is committed. Sheets that are loaded at the same time write one after the
    other, so the last one tells of all. Raises OSError when the folder cannot be written.
    """
    workbook = workbook_of(contract)
    key = ("cityperf.receipt", workbook.folder)
    db.execute("select pg_advisory_lock(hashtext(%s), hashtext(%s))", key)
    try:
        receipt = of_file(settings, db, workbook, file_id)
        written = write(settings, receipt)
        if receipt.outcome != "pending":
            from cityperf.handin.mail import send_receipt

            send_receipt(settings, receipt)
    finally:
        if not db.closed and not db.broken:
            db.execute("select pg_advisory_unlock(hashtext(%s), hashtext(%s))", key)
    from cityperf.handin import inbox

    inbox.put_back(workbook.folder, written)
    return receipt


def of_file(settings: Settings, db: psycopg.Connection[Any], workbook: Workbook, file_id: int) -> Receipt:
    """The receipt of a landed hand-in as the registry knows it. Raises ValueError for an id that is not there."""
    row = db.execute("select name, sha256 from ops.landed_file where file_id = %s", (file_id,)).fetchone()
    if row is None:
        raise ValueError(f"no landed file has the id {file_id}")
    name, sha256 = row
    ids = dict(
        db.execute(
            "select dataset, file_id from ops.landed_file where name = %s and sha256 = %s and dataset = any(%s)",
            (name, sha256, [sheet.dataset for sheet in workbook.sheets]),
        ).fetchall()
    )
    nights: list[date] = []
    taken = [_taken(settings, db, sheet, name, ids.get(sheet.dataset), nights) for sheet in workbook.sheets]
    return compose(settings, workbook, name, sha256, max(nights, default=date.min), taken)


def _taken(
    settings: Settings,
    db: psycopg.Connection[Any],
    contract: Contract,
    name: str,
    file_id: int | None,
    nights: list[date],
) -> Taken:
    """How the load of one sheet ended, from the registry; adds its night to `nights`."""
    from psycopg import sql

    batch = file_id and db.execute(_LAST_BATCH, (file_id,)).fetchone()
    if not batch or file_id is None:
        return Taken(contract, "pending")
    state, first, night, rows_in, loaded, message = batch
    nights.append(first)  # a file that is refused every night is answered once
    if state == "quarantined":
        look = _look(settings, db, contract, name, file_id, night)
        row = db.execute(
            "select expected, found, remedy from quarantine.files where file_id = %s order by night desc limit 1",
            (file_id,),
        ).fetchone()
        expected, found, remedy = row or ("a sound workbook", message, "ask the steward")
        refusal = Remark(cell=None, expected=expected, found=found, remedy=remedy)
        return Taken(contract, "refused", refusal=refusal, look=look)
    held = (
        []
        if rows_in == loaded
        else db.execute(
            "select line, column_name, expected, found, reason from quarantine.rows where file_id = %s and night = "
            "(select max(night) from quarantine.rows where file_id = %s) order by line, quarantine_id",
            (file_id, file_id),
        ).fetchall()
    )
    # where nothing was held and nothing noted, the file has no more to tell than its rows do
    look = _look(settings, db, contract, name, file_id, night) if held or _notes(message, []) else None
    rows = sql.SQL("(select * from {} where _file_id = {})").format(
        sql.Identifier("raw", contract.table), sql.Literal(file_id)
    )
    said = db.execute(
        sql.SQL("select min(division), max(as_of), min(_night) from {} as r").format(rows)
    ).fetchone()
    division, as_of, first_night = said or (None, None, night)
    return Taken(
        contract,
        "loaded",
        rows_in,
        [Held(*each) for each in held],
        notes=message,
        changes=since_last(db, contract, rows, file_id, first_night),
        look=look,
        division=division,
        as_of=as_of,
    )


_LAST_BATCH: Final = """
    with b as (
        select * from ops.batch
        where file_id = %s and (state = 'quarantined' or state in ('loaded', 'superseded') and rows_in is not null)
    )
    select last.state, alike.first, last.night, coalesce(last.rows_in, 0), coalesce(last.rows_loaded, 0),
        coalesce(last.message, '')
    from (select * from b order by batch_id desc limit 1) as last
    cross join lateral (
        select min(night) as first from b where (state = 'quarantined') = (last.state = 'quarantined')
    ) as alike
"""


def _look(
    settings: Settings, db: psycopg.Connection[Any], contract: Contract, name: str, file_id: int, night: date
) -> Look | None:
    """What the file tells about itself; None when its bytes are gone."""
    from cityperf.handin.inspect import look
    from cityperf.landing import Expired, opened

    try:
        with opened(settings, db, file_id) as path:
            return look(path, contract, name, night)
    except (Expired, FileNotFoundError):
        return None


def folder_of(settings: Settings, workbook: str) -> Path:
    """Where the receipts of a workbook lie."""
    return settings.drop / workbook / FOLDER


def stored(folder: Path) -> list[Receipt]:
    """The receipts in a folder, by name of their files."""
    return [Receipt.model_validate_json(path.read_bytes()) for path in sorted(folder.glob("*.receipt.json"))]


def write(settings: Settings, receipt: Receipt) -> list[Path]:
    """Put the receipt beside the file, as JSON and HTML: the files that did not say the same already."""
    from cityperf.handin.render import html

    folder = folder_of(settings, receipt.workbook)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for ending, text in (("json", receipt.model_dump_json(indent=1) + "\n"), ("html", html(receipt))):
        path = folder / f"{receipt.file}.receipt.{ending}"
        if put(path, text.encode()):
            written.append(path)
    return written


def put(path: Path, content: bytes) -> bool:
    """Write a file whole or not at all; False when it has these bytes already."""
    if path.is_file() and path.read_bytes() == content:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


# -- from what was found to what is told ---------------------------------------------------------------------
def compose(
    settings: Settings, workbook: Workbook, name: str, sha256: str, night: date, taken: Sequence[Taken]
) -> Receipt:
    """The receipt of a hand-in from how the reading of each of its sheets ended."""
    sheets = tuple(map(_sheet, taken))
    outcomes = {sheet.outcome for sheet in sheets}
    outcome: Outcome = "partly"
    if "pending" in outcomes:
        outcome = "pending"
    elif not any(sheet.rows for sheet in sheets):
        outcome = "refused"  # where every sheet is empty, nothing was handed in
    elif len(outcomes) == 1:
        (outcome,) = outcomes
    days = [each.as_of for each in taken if each.as_of]
    above = [each.division for each in taken if each.division and _is_above(each.contract)]
    return Receipt(
        workbook=workbook.folder,
        file=name,
        sha256=sha256,
        night=night,
        division=above[0] if above else workbook.division_of(name),
        as_of=max(days, default=""),
        steward=workbook.steward,
        outcome=outcome,
        is_sample=settings.profile == "sample",
        sheets=sheets,
    )


def _is_above(contract: Contract) -> bool:
    return any(column.name == "division" and column.above for column in contract.named_columns)


def _sheet(taken: Taken) -> SheetReceipt:
    contract, look = taken.contract, taken.look
    refused = tuple(mistake for each in taken.held for mistake in _refused(contract, each, look))
    found = look.findings if look else []
    warnings = [each for each in found if each.level == "warn"]
    refusals = (
        [_remark(contract, each) for each in look.refusals] if look and taken.state == "refused" else []
    )
    if taken.refusal and not refusals:
        refusals = [_discreet(contract, taken.refusal)]
    outcome: Outcome = "partly" if refused else "accepted"
    if taken.state != "loaded":
        outcome = "refused" if taken.state == "refused" else "pending"
    return SheetReceipt(
        dataset=contract.dataset,
        title=register_of(contract).title,
        sheet=sheet_name(contract),
        outcome=outcome,
        rows=taken.rows,
        accepted=taken.rows - len(taken.held) if taken.state == "loaded" else 0,
        refused=refused,
        refusals=tuple(refusals),
        warnings=tuple(_remark(contract, each) for each in warnings),
        notes=_notes(taken.notes, [str(each) for each in warnings]),
        changes=taken.changes,
    )


def _notes(message: str, told: Sequence[str]) -> str:
    """What the load noted beside the warnings that are told with their cells, the rows that are listed, and its own
    comparison, which is with whatever file came before.
    """
    for each in told:
        message = message.replace(each, "")
    message = re.sub(r"(^|; )\d+ rows held: .*", "", message, flags=re.DOTALL)
    message = re.sub(
        r"(^|; )\d+ (rows of the delivery before are gone|more rows differ, but not in [^;]*)", "", message
    )
    return "; ".join(part.strip() for part in message.split(";") if part.strip())


def _remark(contract: Contract, finding: Any) -> Remark:
    remark = Remark(cell=finding.cell, expected=finding.expected, found=finding.found, remedy=finding.remedy)
    return _discreet(contract, remark)


def _discreet(contract: Contract, remark: Remark) -> Remark:
    """Of sheets about persons nothing that stood in them is told."""
    if contract.privacy.level != "person_level":
        return remark
    return remark.model_copy(update={"found": WITHHELD})


def _refused(contract: Contract, held: Held, look: Look | None) -> Iterator[Refused]:
    """Each mistake of a held row, by its cell."""
    labels = {str(column.name): english(column) for column in contract.named_columns}
    letters = dict(look.letters) if look else {}
    by_letters = {each: name for name, each in letters.items()}
    names = [name.strip() for name in (held.column or "").split(",") if name.strip()]
    pieces = _PIECES.split(held.reason) if _CELL.match(held.reason) else []
    values = _values(held.found, pieces)
    for piece in pieces:
        cell, said = piece.split(": ", 1)
        expected, _, mend = said.partition("; ")
        name = by_letters.get(cell.rstrip("0123456789"), names[0] if names else "")
        label = labels.get(name, "")
        expected = (
            expected.removeprefix(f"{label} is not ").removeprefix("expected ").removesuffix(" expected")
        )
        if expected == f"{label} is empty":
            expected = "a value"
        found = _value(contract, name, values.get(cell))
        yield Refused(
            row=held.line,
            cell=cell,
            column=label or None,
            expected=expected,
            found=found,
            remedy=_again(mend),
        )
    if not pieces:
        name = next((each for each in reversed(names) if each in letters), names[-1] if names else "")
        yield Refused(
            row=held.line,
            cell=f"{letters[name]}{held.line}" if name in letters and held.line else None,
            column=", ".join(labels.get(each, each) for each in names) or None,
            expected=held.expected,
            found=_value(contract, name, held.found),
            remedy=_again(held.reason),
        )


_CELL: Final = re.compile(r"[A-Z]{1,3}\d+: ")
_PIECES: Final = re.compile(r" - (?=[A-Z]{1,3}\d+: )")


def _values(found: str | None, pieces: Sequence[str]) -> dict[str, str | None]:
    """What stood in each of the cells that the pieces speak of."""
    cells = [piece.split(": ", 1)[0] for piece in pieces]
    if len(cells) < 2 or found is None:
        return dict.fromkeys(cells, found)
    parts = re.split("|".join(rf"(?:^|; ){cell}: " for cell in cells), found)
    return dict(zip(cells, parts[1:], strict=False))


def _value(contract: Contract, name: str, found: str | None) -> str | None:
    column = next((each for each in contract.named_columns if each.name == name), None)
    private = contract.privacy.level == "person_level" or (column is not None and column.personal)
    return WITHHELD if private and found is not None else found


def _again(remedy: str) -> str:
    return remedy if " again" in remedy else f"{remedy}, {AGAIN}"
