"""What people are told of a night: one digest a day for each steward, a page for what cannot wait, a ticket per cause.

`look` finds out how things stand, in the order in which a person is needed; `tell` acts on it. Both work for a night that
never ran, and for a database that does not answer: `check` is called by a clock of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from cityperf.config import TORONTO, Settings
from cityperf.notify import dead_man
from cityperf.notify.alert import TEAM, Alert, worst_first
from cityperf.notify.compose import Digest, as_chat, as_html, as_text, chat_text, digests, write
from cityperf.notify.radius import Lineage, read_lineage

if TYPE_CHECKING:
    from cityperf.handin.chase import Expected
    from cityperf.notify.causes import Finding
    from cityperf.sources import Contract

__all__ = ["Alert", "Digest", "Situation", "as_text", "check", "digest", "look", "tell", "wrong"]


@dataclass(frozen=True)
class Situation:
    """How things stand as of a night. `release`: the number that is up. `complete`: all was looked at, so what is not
    among `alerts` is well. `latest`: no later night has begun.
    """

    night: date
    alerts: Sequence[Alert]
    digests: Sequence[Digest]
    release: int | None = None
    complete: bool = False
    latest: bool = True
    awaited: Sequence[Expected] = field(default=())

    def of(self, name: str) -> Digest | None:
        """The digest of a steward, if there is one."""
        return next((each for each in self.digests if each.to == name), None)


def look(settings: Settings, night: date, now: datetime) -> Situation:
    """Everything that may need a person as of `night`. `now` (aware) decides what is overdue."""
    from cityperf.sources import load_contracts, nightly_contracts

    lineage = read_lineage(settings)
    contracts = load_contracts()
    visited = {name: contracts[name] for name in nightly_contracts()}
    try:
        connection = _opened(settings)
    except (psycopg.OperationalError, RuntimeError) as problem:
        alerts: list[Alert] = [dead_man.unreachable(lineage, problem)]
        told = digests(settings.profile, night, "The database does not answer.", alerts, {}, (), lineage)
        return Situation(night, alerts, told)
    with connection:
        alerts, found = wrong(connection, settings.profile, night, visited, lineage, now)
        ending, release = _ending(connection, night)
        seen = {
            dataset
            for (dataset,) in connection.execute(
                "select dataset from ops.fetch where night = %s and state <> 'not_in_replay'", (night,)
            )
        }
        row = connection.execute("select max(night) from ops.night").fetchone()
    awaited = _awaited(settings, night, {name: contracts[name] for name in seen if name in contracts})
    alerts += _hand_ins(awaited, contracts, lineage)
    alerts.sort(key=worst_first)
    counts: Mapping[str, Counter[str]] = defaultdict(Counter)
    for each in found:
        counts[each.owner][each.status] += each.night == night
    stewards = sorted({each.owner.steward for each in visited.values()})
    return Situation(
        night,
        alerts,
        digests(settings.profile, night, ending, alerts, counts, stewards, lineage),
        release,
        complete=True,
        latest=not (row and row[0] and night < row[0]),
        awaited=awaited,
    )


def wrong(
    connection: psycopg.Connection[Any],
    profile: str,
    night: date,
    visited: Mapping[str, Contract],
    lineage: Lineage,
    now: datetime,
) -> tuple[list[Alert], Sequence[Finding]]:
    """(one alert per cause that lasts as of `night`, every result of the checks that were looked at)."""
    from cityperf.night import answered_by, follows_the_clock
    from cityperf.notify.causes import brought, causes, findings
    from cityperf.quality.known import read_known_issues

    overdue = follows_the_clock(profile) and now >= answered_by(night)
    last = brought(connection, night, visited)
    found = findings(connection, night, last)
    alerts = dead_man.silent(connection, profile, night, visited, lineage, overdue=overdue, now=now)
    return [*alerts, *causes(connection, night, visited, last, found, read_known_issues(), lineage)], found


def _opened(settings: Settings) -> psycopg.Connection[Any]:
    from cityperf.db import connect

    return connect(settings, "publisher")


def digest(settings: Settings, night: date, now: datetime | None = None) -> list[Path]:
    """Write digests/<night>/<steward>.txt and .html for everybody who is concerned, and the letters to divisions.

    Returns the text files. A repeat of the night replaces them. Nothing is sent but what divisions owe.
    """
    return _write(settings, look(settings, night, now or datetime.now(TORONTO)))


def _write(settings: Settings, situation: Situation) -> list[Path]:
    from cityperf.handin.chase import remind

    remind(settings, situation.night, situation.awaited)
    return write(settings, situation.night, situation.digests, complete=situation.complete)


def tell(settings: Settings, night: date, now: datetime | None = None) -> Situation:
    """Tickets, pages and digests of a night, each once: to repeat it sends only what could not be sent before.

    Of a night that is not the latest only the digests are written: what lasts is judged by the latest.
    """
    from filelock import FileLock

    from cityperf.notify import tickets

    settings.run.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.run / "alerts.lock", timeout=300):
        situation = look(settings, night, now or datetime.now(TORONTO))
        _write(settings, situation)
        if situation.latest:
            tickets.settle(settings, night, situation.alerts, situation.release, complete=situation.complete)
            _page(settings, situation)
            send_digests(settings, situation)
    return situation


def send_digests(settings: Settings, situation: Situation, to: str | None = None) -> list[Path]:
    """Send the digests of all, or of one; returns the records of what was sent and of what could not be."""
    from cityperf.notify.send import send

    return [
        path
        for each in situation.digests
        if to in (None, each.to)
        for path in send(
            settings, situation.night, each.to, "digest", each.subject, as_text(each), as_chat(each), as_html(each)
        )
    ]  # fmt: skip


def _page(settings: Settings, situation: Situation) -> None:
    """What cannot wait for the morning goes to the data team at once, and once a night."""
    from cityperf.handin import division_key
    from cityperf.notify.send import send

    sample = "SAMPLE - " if settings.profile == "sample" else ""
    for alert in situation.alerts:
        if alert.pages:
            subject = f"{sample}PAGE: {alert.check.replace('_', ' ')}, night of {situation.night}"
            text = f"{alert.message}\n{alert.about}\n"
            name = f"page_{division_key(alert.check)}"
            chat = f"*{chat_text(subject)}*\n{chat_text(text)}"
            send(settings, situation.night, TEAM, name, subject, text, chat)


def check(settings: Settings, now: datetime) -> Situation:
    """`tell` of the night that should have ended by `now`, whether it ran or not: for a clock of its own."""
    from cityperf.night import answered_by

    today = now.astimezone(TORONTO).date()
    return tell(settings, today if now >= answered_by(today) else today - timedelta(days=1), now)


def _awaited(settings: Settings, night: date, contracts: Mapping[str, Contract]) -> list[Expected]:
    from cityperf.handin.chase import expected

    return expected(settings, night, contracts)


def _hand_ins(
    awaited: Sequence[Expected], contracts: Mapping[str, Contract], lineage: Lineage
) -> list[Alert]:
    """What divisions still have to hand in."""
    from cityperf.handin import workbooks

    books = workbooks(contracts.values()).items()
    sheets = {name: [each.dataset for each in book.sheets] for name, book in books}
    return [
        Alert(
            "hand_in", each.division, each.workbook, str(each), each.steward, "docs/runbooks/hand_ins.md",
            lineage.of_datasets(sheets.get(each.workbook, [])), mild=each.state == "due",
        )
        for each in awaited
    ]  # fmt: skip


def _ending(connection: psycopg.Connection[Any], night: date) -> tuple[str, int | None]:
    """How the night ended, in one sentence, and the number of the release that is up."""
    row = connection.execute(
        "select number, state from ops.release where night = %s and state in ('released', 'held') "
        "order by number desc limit 1",
        (night,),
    ).fetchone()
    up = connection.execute(
        "select number from ops.release where state = 'released' order by number desc limit 1"
    ).fetchone()
    number = up[0] if up else None
    if row and row[1] == "held":
        stays = f"release {number} stays up" if up else "nothing is published yet"
        return f"Release {row[0]} is held back; {stays}.", number
    if row:
        return f"Release {row[0]} is up.", number
    return f"No new release; release {number} is up." if up else "No release so far.", number
