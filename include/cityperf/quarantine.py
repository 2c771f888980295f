"""What stewards decide about held rows and files, and the carrying out of it (decision 0024).

A decision is a row of quarantine.decision with person and reason. The next refresh carries it out: the file is read
again from landing by the loader, so that a released row has its own file and row number. A released row that does not
get into raw is held again, and the decision says why: a row is in raw, held or discarded, and never in two places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError, FileQuarantined

if TYPE_CHECKING:
    import psycopg

    from cityperf.sources import Contract

Kind = Literal["row", "file"]
Decision = Literal["released", "discarded"]

LETTERS: Final[Mapping[str, Kind]] = {"R": "row", "F": "file"}
WITHHELD: Final = "(withheld)"
_SPAN: Final = re.compile(r"(?P<letter>[RF])(?P<first>\d{1,15})(?:-(?P=letter)?(?P<last>\d{1,15}))?", re.I)
_TABLE: Final[Mapping[Kind, str]] = {"row": "quarantine.rows", "file": "quarantine.files"}

_ITEM: Final = """
select
    id, kind, quarantine_id, dataset, file_id, name, night, state, row_number, line, sheet, column_name, expected, found,
    reason, record, remedy, is_loaded
from quarantine.item
"""


@dataclass(frozen=True)
class Held:
    """A row or a file in quarantine. `found` and `record` are withheld where they could name a person."""

    id: str
    kind: Kind
    quarantine_id: int
    dataset: str
    file_id: int | None
    name: str | None
    night: date
    state: str
    row_number: int | None
    line: int | None
    sheet: str | None
    column: str | None
    expected: str
    found: str | None
    reason: str
    record: str | None
    remedy: str | None
    is_loaded: bool


@dataclass(frozen=True)
class Decided:
    """A decision of the audit trail. `settled_on`: the night that carried it out; `outcome`: what came of it."""

    decision: str
    decided_by: str
    decided_on: date
    reason: str
    outcome: str | None
    settled_on: date | None


# -- looking -------------------------------------------------------------------------------------------------
def listed(
    settings: Settings,
    *,
    dataset: str | None = None,
    state: str | None = "held",
    limit: int = 100,
    contracts: Mapping[str, Contract] | None = None,
) -> list[Held]:
    """What is in quarantine, files first, then the newest nights; at most `limit` of each kind."""
    asked = {"dataset": dataset, "state": state, "limit": limit}
    rows: list[tuple[Any, ...]] = []
    with connect(settings, "loader") as db:
        for kind in ("file", "row"):
            rows += db.execute(
                _ITEM + "where kind = %(kind)s and (%(dataset)s::text is null or dataset = %(dataset)s) "
                "and (%(state)s::text is null or state = %(state)s) order by night desc, quarantine_id limit %(limit)s",
                {**asked, "kind": kind},
            ).fetchall()
    known = _contracts(contracts)
    return [_held(row, known) for row in rows]


def counts(settings: Settings) -> dict[str, dict[str, int]]:
    """Rows and files by state, as `{"row": {"held": 3}, "file": {}}`."""
    found: dict[str, dict[str, int]] = {"row": {}, "file": {}}
    with connect(settings, "loader") as db:
        for kind, state, n in db.execute(
            "select 'row', state, count(*) from quarantine.rows group by 2 "
            "union all select 'file', state, count(*) from quarantine.files group by 2"
        ):
            found[kind][state] = n
    return found


def unreconciled(settings: Settings) -> list[tuple[str, int, int]]:
    """(data set, file, rows) of files whose rows in are not loaded, held, discarded or waiting; empty if all is well."""
    with connect(settings, "loader") as db:
        return db.execute(
            "select dataset, file_id, difference from quarantine.reconciliation where difference <> 0 order by 1, 2"
        ).fetchall()


def show(
    settings: Settings, identifier: str, contracts: Mapping[str, Contract] | None = None
) -> tuple[Held, list[Decided]]:
    """One of them with all decisions. Raises CityperfError for an id that is none, or of nothing."""
    ((kind, number),) = _ids([identifier], most=1)
    with connect(settings, "loader") as db:
        found = _held(_one(db, kind, number), _contracts(contracts))
        decisions = db.execute(
            "select decision, decided_by, decided_on, reason, outcome, settled_on from quarantine.decision "
            "where kind = %s and quarantine_id = %s order by decision_id",
            (kind, number),
        ).fetchall()
    return found, [Decided(*row) for row in decisions]


def _contracts(given: Mapping[str, Contract] | None) -> Mapping[str, Contract]:
    from cityperf.sources import load_contracts

    return load_contracts() if given is None else given


def _one(db: psycopg.Connection[tuple[Any, ...]], kind: Kind, number: int) -> tuple[Any, ...]:
    row = db.execute(_ITEM + "where kind = %s and quarantine_id = %s", (kind, number)).fetchone()
    if row is None:
        raise CityperfError(
            f"expected the id of a {kind} in quarantine, found {kind[0].upper()}{number}, which is none; "
            "./cityperf quarantine list shows them"
        )
    return row


def _held(row: tuple[Any, ...], contracts: Mapping[str, Contract]) -> Held:
    """Without what may stand for a person: nothing that stood in a row of a person-level data set, and nothing of one
    that no contract reads any more.
    """
    held = Held(*row)
    contract = contracts.get(held.dataset)
    if contract is None:
        return replace(held, found=WITHHELD, record=held.record and WITHHELD, reason=WITHHELD)
    if held.kind == "file":  # of person-level files only what says nothing of the content was written down
        return held
    if contract.privacy.level == "person_level":
        return replace(held, found=WITHHELD, record=WITHHELD)
    return held


def _ids(texts: Sequence[str], most: int = 100_000) -> list[tuple[Kind, int]]:
    """(kind, number) of ids such as R12, F3 and R12-R40, each once."""
    found: dict[tuple[Kind, int], None] = {}
    for text in texts:
        match = _SPAN.fullmatch(text.strip())
        first = int(match["first"]) if match else 0
        last = int(match["last"] or first) if match else -1
        if match is None or last < first or last - first >= most:
            raise CityperfError(
                f"expected an id such as R12 (a row) or F3 (a file){', or a range such as R12-R40' if most > 1 else ''}, "
                f"found {text!r}; ./cityperf quarantine list shows them"
            )
        for number in range(first, last + 1):
            found[LETTERS[match["letter"].upper()], number] = None
    return list(found)


# -- deciding ------------------------------------------------------------------------------------------------
def decide(
    settings: Settings,
    identifiers: Sequence[str],
    decision: Decision,
    by: str,
    reason: str,
    on: date,
    contracts: Mapping[str, Contract] | None = None,
) -> list[str]:
    """Write a steward's decision about rows and files; returns the ids it was new for. All or none.

    A row that has the state already is passed over, and so are numbers of a range that are none. Raises NotAllowed for
    somebody who may not decide about quarantine, CityperfError where a release could not come to anything: a row that
    could not be read, a file that never landed, whose bytes are deleted, or that a newer delivery replaced.
    """
    from cityperf.publish.approvers import may

    person = may(by, "quarantine")
    if not reason.strip():
        raise CityperfError("expected a reason, found none; say why with --reason")
    known = _contracts(contracts)
    done: list[str] = []
    asked = _ids(identifiers)
    with connect(settings, "loader") as db:
        for kind in ("row", "file"):
            numbers = [number for each, number in asked if each == kind]
            there = db.execute(
                f"select quarantine_id, state from {_TABLE[kind]} "  # noqa: S608 - one of two names above
                "where quarantine_id = any(%s) order by 1 for update".encode(),
                (numbers,),
            ).fetchall()
            if numbers and not there:
                _one(db, kind, numbers[0])  # says that there is none
            for number, state in there:
                if state == decision:
                    continue
                held = Held(*_one(db, kind, number))
                if decision == "released" and (problem := _why_not(db, held, known)):
                    raise CityperfError(f"{held.id} cannot be released: {problem}")
                _write(db, held, decision, person.id, reason.strip(), on)
                done.append(held.id)
    return done


def _why_not(db: psycopg.Connection[Any], held: Held, contracts: Mapping[str, Contract]) -> str | None:
    """Why nothing could come of releasing it, as far as that is known now."""
    contract = contracts.get(held.dataset)
    if contract is None:
        return f"no contract reads {held.dataset} any more; discard it"
    if held.file_id is None:
        return "the file never landed, so there is nothing to load; visit the source again, or discard it"
    row = db.execute("select expired_on from ops.landed_file where file_id = %s", (held.file_id,)).fetchone()
    if row and row[0]:
        return f"the file's bytes were deleted on {row[0]}, when their time was over; discard it"
    if held.kind == "file":
        from cityperf.load.order import newer_than_held

        return newer_than_held(db, contract, held.file_id, held.night)
    if held.row_number is None:
        return (
            "it was held before row numbers were kept; read its file again first (./cityperf source backfill "
            f"{held.dataset} --nights {held.night})"
        )
    if held.column is None:
        return "it could not be read as a record; have the file mended at the source, or discard it"
    return _superseded(db, contract, held.file_id)


def _superseded(db: psycopg.Connection[Any], contract: Contract, file_id: int) -> str | None:
    """Which delivery stands in the place of a loaded file, in words; None while its own rows do."""
    from cityperf.load.order import stands_for

    if contract.partition is not None:
        if stands_for(db, file_id):
            return None
        return "superseded: newer deliveries stand for all periods of its file"
    row = db.execute(
        "select c.file_id, c.night from ops.landed_file as f join ops.cursor as c using (dataset, name) "
        "where f.file_id = %s",
        (file_id,),
    ).fetchone()
    if row is None or row[0] == file_id:
        return None
    return f"superseded: the delivery of {row[1]} (file {row[0]}) is newer and stands in its place"


def _write(
    db: psycopg.Connection[Any], held: Held, decision: Decision, by: str, reason: str, on: date
) -> None:
    """The decision and the new state. One that a refresh has nothing to carry out of is settled at once."""
    table = _TABLE[held.kind]
    if held.kind == "row" and held.row_number is not None:  # the same row, held on several nights
        where = "file_id = %(file)s and row_number = %(row)s"
    elif held.kind == "file" and held.file_id is not None:
        where = "file_id = %(file)s"
    else:
        where = "quarantine_id = %(id)s"
    names = {"file": held.file_id, "row": held.row_number, "id": held.quarantine_id, "state": decision}
    db.execute(f"update {table} set state = %(state)s where {where}".encode(), names)  # noqa: S608 - fixed texts
    db.execute(  # what was decided before and not carried out yet
        "update quarantine.decision set outcome = 'overtaken by a later decision', settled_on = %s "
        "where kind = %s and quarantine_id = %s and settled_on is null",
        (on, held.kind, held.quarantine_id),
    )
    settled = decision == "discarded" and not (held.kind == "row" and held.is_loaded)
    db.execute(
        "insert into quarantine.decision (kind, quarantine_id, dataset, file_id, row_number, decision, was, decided_by, "
        "decided_on, reason, outcome, settled_on) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            held.kind, held.quarantine_id, held.dataset, held.file_id, held.row_number, decision, held.state, by, on,
            reason, "kept out of raw, and kept in quarantine" if settled else None, on if settled else None,
        ),
    )  # fmt: skip


# -- carrying out --------------------------------------------------------------------------------------------
def carry_out(settings: Settings, night: date, contracts: Mapping[str, Contract]) -> list[tuple[str, str]]:
    """Carry out what stewards decided since: (id, what came of it). Each file by itself, in a load of its own.

    What the database or another load kept from being done stays to be done, with a warning among the night's checks.
    """
    done: list[tuple[str, str]] = []
    with connect(settings, "loader", autocommit=True) as db:
        for dataset, file_id, kind in db.execute(
            "select distinct dataset, file_id, kind from quarantine.decision where settled_on is null order by 3, 1, 2"
        ).fetchall():
            contract = contracts.get(dataset)
            try:
                step = _files if kind == "file" else _rows
                done += step(settings, db, night, contract, dataset, file_id)
            except Exception as problem:
                _warn(db, night, contract, dataset, problem)
    return done


def _rows(
    settings: Settings,
    db: psycopg.Connection[Any],
    night: date,
    contract: Contract | None,
    dataset: str,
    file_id: int,
) -> Iterator[tuple[str, str]]:
    """Read a file again with the rows let in that were released, and without those that were not."""
    from cityperf.load import backfill

    refused = "no contract reads it any more" if contract is None else _superseded(db, contract, file_id)
    if contract is not None and refused is None:
        try:
            for delivery in backfill.plan(settings, contract):
                if delivery.file_id == file_id:
                    backfill.reload(settings, contract, delivery, night, gate=_looked_at)
        except FileQuarantined as problem:
            refused = f"the file as a whole was refused: {problem}"
    rows = db.execute(
        "select d.decision_id, d.quarantine_id, q.state, q.loaded_by, q.reason from quarantine.decision as d "
        "join quarantine.rows as q using (quarantine_id) "
        "where d.kind = 'row' and d.file_id = %s and d.settled_on is null order by 1",
        (file_id,),
    ).fetchall()
    for decision_id, number, state, loaded_by, reason in rows:
        if state == "released" and loaded_by is not None and not refused:
            outcome = f"loaded with batch {loaded_by}"
        elif state == "discarded" and loaded_by is None:
            outcome = "taken out of raw again, and kept in quarantine"
        elif state == "discarded":
            outcome = f"not in raw as a current row: {refused}" if refused else "still in raw"
        elif state == "held":
            outcome = f"held again, it still breaks the contract: {reason}"
        else:
            outcome = f"held again, {refused or 'superseded: another delivery stands for its period'}"
        with db.transaction():
            if state == "released" and outcome.startswith("held"):
                db.execute(
                    "update quarantine.rows as q set state = 'held', loaded_by = null from quarantine.rows as this "
                    "where this.quarantine_id = %s and q.file_id = this.file_id and q.row_number = this.row_number",
                    (number,),
                )
            _settle(db, decision_id, outcome, night)
        yield f"R{number}", outcome


def _files(
    settings: Settings,
    db: psycopg.Connection[Any],
    night: date,
    contract: Contract | None,
    dataset: str,
    file_id: int,
) -> Iterator[tuple[str, str]]:
    """Load a file that was released, unless a newer delivery stands."""
    from cityperf.load import load_released

    rows = db.execute(
        "select d.decision_id, d.quarantine_id, q.night from quarantine.decision as d "
        "join quarantine.files as q using (quarantine_id) "
        "where d.kind = 'file' and d.file_id = %s and d.settled_on is null order by 1",
        (file_id,),
    ).fetchall()
    held_on = min((row[2] for row in rows), default=night)
    loaded = False
    try:
        if contract is None:
            outcome = "held again, no contract reads it any more"
        else:
            result = load_released(settings, night, contract, file_id, held_on)
            loaded = True
            outcome = f"loaded with batch {result.batch_id}: {result.loaded:,} of {result.rows_in:,} rows"
            outcome += f"; {result.message}" if result.message else ""
    except FileQuarantined as problem:
        outcome = f"held again, {problem}"
    for decision_id, number, _ in rows:
        with db.transaction():
            if not loaded:
                db.execute(
                    "update quarantine.files set state = 'held' where quarantine_id = %s and state = 'released'",
                    (number,),
                )
            _settle(db, decision_id, outcome, night)
        yield f"F{number}", outcome


def _looked_at(*_: object) -> list[Any]:
    """The landing gate of rows that a person let in: the file's other rows passed it when they came."""
    return []


def _settle(db: psycopg.Connection[Any], decision_id: int, outcome: str, night: date) -> None:
    db.execute(
        "update quarantine.decision set outcome = %s, settled_on = %s where decision_id = %s",
        (outcome[:4000], night, decision_id),
    )


def _warn(
    db: psycopg.Connection[Any], night: date, contract: Contract | None, dataset: str, problem: Exception
) -> None:
    from cityperf.load.quarantined import fit_to_tell
    from cityperf.quality.results import Rule, record, result_of

    told = fit_to_tell(contract, problem) if contract else type(problem).__name__
    rule = Rule(
        check="quarantine_decisions",
        expectation="",
        arguments={},
        severity="warn",
        owner=contract.owner.steward if contract else "Performance Office",
        runbook="quarantine.md#a-decision-was-not-carried-out",
        expected="decisions about held rows and files to be carried out",
        remedy="it is tried again on the next night",
    )
    found = f"{type(problem).__name__}: {told}"
    record(db, night, [result_of(rule, "landing", f"quarantine.{dataset}", dataset, False, found)])
