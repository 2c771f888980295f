"""One digest a night and steward, as text: what needs a hand, what is known, what is well. Never a message
per check."""

from __future__ import annotations

import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from cityperf.config import Settings
from cityperf.db import connect

EXAMPLES: Final = 3
NOT_IN: Final = {"refused": "was refused", "failed": "could not be loaded", "late": "did not come"}


@dataclass(frozen=True)
class Finding:
    """One row of ops.check_result, as a digest shows it."""

    border: str
    check_name: str
    subject: str
    severity: str
    status: str
    message: str
    owner: str
    runbook: str


@dataclass(frozen=True)
class Absence:
    """A source that was not taken in."""

    dataset: str
    state: str
    message: str


def digest(settings: Settings, night: date) -> list[Path]:
    """Write digests/<night>/<steward>.txt for everybody who answers for something. Returns the files.

    A repeat of the night replaces its digests. Failures come first, findings of one check are rolled up into
    one line. Divisions that still have to hand something in get a mail of their own.
    """
    from cityperf.handin.chase import by_steward, expected, remind
    from cityperf.sources import load_contracts

    with connect(settings, "publisher") as connection:
        findings = _findings(connection, night)
        absences = _absences(connection, night)
        ending = _ending(connection, night)
        visited = _visited(connection, night)
    contracts = load_contracts()
    stewards = {name: contract.owner.steward for name, contract in contracts.items()}
    awaited = expected(settings, night, {k: v for k, v in contracts.items() if k in visited})
    remind(settings, night, awaited)
    chased = by_steward(awaited)
    by_owner: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_owner[finding.owner].append(finding)
    missing: dict[str, list[Absence]] = defaultdict(list)
    for absence in absences:
        missing[stewards.get(absence.dataset, "Performance Office")].append(absence)
    folder = settings.base / "digests" / night.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for steward in sorted({*by_owner, *missing, *chased}):
        path = folder / f"{_slug(steward)}.txt"
        hand_ins = [(each.state == "late", str(each)) for each in chased.get(steward, [])]
        text = compose(
            settings.profile, night, steward, by_owner[steward], missing[steward], ending, hand_ins
        )
        temporary = path.with_suffix(f".{secrets.token_hex(4)}")
        temporary.write_text(text)
        temporary.replace(path)
        written[path] = steward
    for old in folder.glob("*.txt"):
        if old not in written:
            old.unlink()
    return list(written)


def compose(
    profile: str,
    night: date,
    steward: str,
    findings: Sequence[Finding],
    absences: Sequence[Absence],
    ending: str,
    hand_ins: Sequence[tuple[bool, str]] = (),
) -> str:
    """The text of one digest. `hand_ins`: what divisions still have to hand in, and whether it is late."""
    lines = [f"City Performance Warehouse · night of {night.isoformat()} · {steward}"]
    if profile == "sample":
        lines.append("SAMPLE - invented figures")
    lines += [ending, ""]
    broken = [f for f in findings if f.status == "fail"]
    warned = [f for f in findings if f.status == "warn"]
    known = [f for f in findings if f.status == "known"]
    passed = sum(f.status == "pass" for f in findings)
    if absences:
        lines.append("Not taken in")
        for absence in absences:
            lines.append(f"  ✘ {absence.dataset} {NOT_IN[absence.state]}: {absence.message or 'no message'}")
            lines.append("    see docs/runbooks/source.md")
    if hand_ins:
        lines.append("Hand-ins to chase")
        lines += [f"  {'✘' if late else '!'} {told}" for late, told in hand_ins]
    lines += _section("Needs a hand", "✘", broken)
    lines += _section("Look at it", "!", warned)
    lines += _section("Known, still counted", "~", known)
    if not (absences or hand_ins or broken or warned or known):
        lines.append("All is well.")
    lines += ["", f"{passed} passed, {len(warned)} warned, {len(known)} known, {len(broken)} failed"]
    return "\n".join(lines) + "\n"


def _section(title: str, sign: str, findings: Iterable[Finding]) -> list[str]:
    rolled: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        rolled[finding.subject, finding.check_name, finding.runbook].append(finding)
    if not rolled:
        return []
    lines = [title]
    for (_, _, runbook), same in sorted(rolled.items()):
        for finding in same[:EXAMPLES]:
            lines.append(f"  {sign} {finding.message}")
        if len(same) > EXAMPLES:
            lines.append(f"    and {len(same) - EXAMPLES} more of this check")
        lines.append(f"    see {runbook}")
    return lines


def _findings(connection: Connection[Any], night: date) -> list[Finding]:
    with connection.cursor(row_factory=class_row(Finding)) as cursor:
        return cursor.execute(
            "select border, check_name, subject, severity, status, message, owner, runbook from "
            "ops.check_result "
            "where night = %s order by severity, border, subject, check_name, check_result_id",
            (night,),
        ).fetchall()


def _absences(connection: Connection[Any], night: date) -> list[Absence]:
    with connection.cursor(row_factory=class_row(Absence)) as cursor:
        return cursor.execute(
            "select dataset, state, coalesce(message, '') as message from ops.source_night "
            "where night = %s and state = any(%s) order by dataset",
            (night, list(NOT_IN)),
        ).fetchall()


def _visited(connection: Connection[Any], night: date) -> set[str]:
    """The data sets that the night looked for. What a replay does not list is chased by nobody."""
    rows = connection.execute(
        "select dataset from ops.fetch where night = %s and state <> 'not_in_replay'", (night,)
    )
    return {row[0] for row in rows}


def _ending(connection: Connection[Any], night: date) -> str:
    """How the night ended, in one sentence."""
    row = connection.execute(
        "select number, state from ops.release where night = %s and state in ('released', 'held') "
        "order by number desc limit 1",
        (night,),
    ).fetchone()
    up = connection.execute(
        "select number, stale_reason from ops.release where state = 'released' order by number desc limit 1"
    ).fetchone()
    if row and row[1] == "held":
        stays = f"release {up[0]} stays up" if up else "nothing is published yet"
        return f"Release {row[0]} is held back; {stays}." + (f" {up[1]}" if up and up[1] else "")
    if row:
        return f"Release {row[0]} is up."
    return f"No new release; release {up[0]} is up." if up else "No release so far."


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "nobody"
