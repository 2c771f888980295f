"""A ticket for each cause of a failure: a Markdown file, opened once, appended to while it lasts, closed when mended.

Open ones lie in `tickets/`, closed ones in `tickets/closed/`. The files are the record: they say the same when the
database is gone, and what a person writes between the headings stays. Written whole or not at all; a killed run leaves at
worst a ticket in both folders, which the next run puts right.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from cityperf.config import Settings
from cityperf.handin.receipt import put
from cityperf.marked import read_yaml
from cityperf.notify.alert import SECTIONS, Alert

LOG: Final = "## Log"
_FRONT: Final = re.compile(r"\A---\n(.*?)\n---\n(.*)\Z", re.DOTALL)
_LINE: Final = re.compile(r"^- (\d{4}-\d{2}-\d{2}): ", re.MULTILINE)


@dataclass(frozen=True)
class Ticket:
    """One file. `release`: the one that was up when it was mended; `body`: all below the front matter."""

    path: Path
    cause: str
    owner: str
    runbook: str
    opened: date
    last_seen: date
    nights: int
    affects: dict[str, list[str]]
    body: str
    closed: date | None = None
    release: int | None = None

    @property
    def title(self) -> str:
        return self.body.lstrip().partition("\n")[0].removeprefix("# ")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as the front matter has them."""
        return {
            "cause": self.cause,
            "state": "closed" if self.closed else "open",
            "owner": self.owner,
            "runbook": self.runbook,
            "opened": self.opened,
            "last_seen": self.last_seen,
            "nights": self.nights,
            "closed": self.closed,
            "mended_by_release": self.release,
            "affects": self.affects,
        }


def folder(settings: Settings) -> Path:
    return settings.base / "tickets"


def listed(settings: Settings, *, closed: bool = False) -> list[Ticket]:
    """The open tickets, oldest first; with `closed` those that were mended as well. A file that is none is left alone."""
    places = [folder(settings), *([folder(settings) / "closed"] if closed else [])]
    found = [_read(path) for place in places for path in sorted(place.glob("*.md"))]
    return sorted((each for each in found if each), key=lambda each: (each.opened, each.path.name))


def settle(
    settings: Settings, night: date, alerts: Iterable[Alert], release: int | None, *, complete: bool
) -> None:
    """Make the tickets say what `alerts` say as of `night`; to repeat it changes nothing.

    `release`: the one that is up, which closing tickets name. Unless the alerts are `complete`, nothing is closed.
    """
    lasting = {alert.cause: alert for alert in alerts if alert.opens_ticket}
    known = {ticket.cause: ticket for ticket in listed(settings)}
    for cause, ticket in known.items():
        if cause in lasting:
            _store(settings, _seen(ticket, lasting[cause], night))
        elif complete and ticket.last_seen <= night:
            _store(settings, _closed(ticket, night, release))
    for cause, alert in lasting.items():
        if cause not in known:
            _store(settings, _opened(settings, alert, night))


def _opened(settings: Settings, alert: Alert, night: date) -> Ticket:
    name = f"{night}_{_slug(alert.cause)}.md"
    before = _read(folder(settings) / "closed" / name)  # closed by an earlier run of this same night
    if before:
        return _seen(before, alert, night)
    heading = SECTIONS[alert.kind][0]
    body = f"# {_one_line(alert.message)}\n\n{heading}. {alert.about}\n\n{LOG}\n\n"
    new = Ticket(folder(settings) / name, alert.cause, alert.owner, alert.runbook, night, night, 0, {}, body)
    return _seen(new, alert, night)


def _seen(ticket: Ticket, alert: Alert, night: date) -> Ticket:
    body = _with_line(ticket.body, night, _one_line(alert.message))
    return replace(
        ticket, last_seen=max(ticket.last_seen, night), nights=_nights(body), body=body, closed=None, release=None,
        owner=alert.owner, runbook=alert.runbook, affects=alert.radius.as_dict(),
    )  # fmt: skip


def _closed(ticket: Ticket, night: date, release: int | None) -> Ticket:
    up = f"release {release} is up" if release is not None else "nothing is published yet"
    if ticket.last_seen == night:  # failed in an earlier run of this night, so the night has a line already
        body = _with_line(ticket.body, night, f"failed first, mended by a repeat of the night; {up}")
    else:
        body = _with_line(ticket.body, night, f"mended; {up}")
    return replace(ticket, closed=night, release=release, body=body)


def _nights(body: str) -> int:
    return len(_LINE.findall(body.partition(LOG)[2]))


def _with_line(body: str, night: date, told: str) -> str:
    """The log with one line for the night, at its end unless it has one already."""
    above, _, log = body.partition(LOG)
    line = f"- {night}: {told}"
    lines = log.strip("\n").splitlines()
    same = [place for place, each in enumerate(lines) if each.startswith(f"- {night}: ")]
    if same:
        lines[same[0]] = line
    else:
        lines.append(line)
    return f"{above}{LOG}\n\n" + "\n".join(lines).strip("\n") + "\n"


def _store(settings: Settings, ticket: Ticket) -> None:
    here, there = folder(settings), folder(settings) / "closed"
    there.mkdir(parents=True, exist_ok=True)
    name = ticket.path.name
    front = yaml.safe_dump(ticket.as_dict(), sort_keys=False, allow_unicode=True, width=10_000)
    put((there if ticket.closed else here) / name, f"---\n{front}---\n{ticket.body}".encode())
    ((here if ticket.closed else there) / name).unlink(missing_ok=True)


def _read(path: Path) -> Ticket | None:
    if not path.is_file():
        return None
    parts = _FRONT.match(path.read_text("utf-8"))
    front = read_yaml(parts[1]) if parts else None
    if not parts or not isinstance(front, dict) or not {"cause", "opened", "last_seen"} <= {*front}:
        return None
    return Ticket(
        path, front["cause"], front.get("owner", ""), front.get("runbook", ""), front["opened"], front["last_seen"],
        front.get("nights", 1), front.get("affects") or {}, parts[2], front.get("closed"),
        front.get("mended_by_release"),
    )  # fmt: skip


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _slug(cause: str) -> str:
    """Short, readable, and another one for every cause."""
    readable = re.sub(r"[^a-z0-9]+", "-", cause.lower()).strip("-")[:60].strip("-")
    return f"{readable}-{hashlib.sha256(cause.encode()).hexdigest()[:6]}"


def counted(tickets: Iterable[Ticket]) -> Iterator[str]:
    """A line for each, for a terminal."""
    for each in tickets:
        state = (
            f"closed {each.closed}"
            if each.closed
            else f"open, {each.nights} night{'s' if each.nights != 1 else ''}"
        )
        yield f"{each.opened}  {state:<20}{each.owner:<28}{each.title}"
