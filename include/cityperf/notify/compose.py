"""One digest a night for each steward and one for the data team: as text, as a page, and as a message for a chat.

What needs a person comes first, in the order of `alert.SECTIONS`. Every line says what stands on it, who owns it and where
to read on; findings of one check are one line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Final

from cityperf.config import Settings
from cityperf.handin import division_key
from cityperf.handin.receipt import put
from cityperf.notify.alert import NEEDS_A_PERSON, SECTIONS, TEAM, Alert, worst_first
from cityperf.notify.radius import Lineage

QUIET: Final = "CITYPERF_QUIET_DAY"  # who hears of a day on which all is well: team (default), all or none
PAGE: Final = Path(__file__).with_name("digest.html")
CHAT: Final = 3500  # characters of a chat message; what is cut stands in the mail and in the file
STATES: Final = ("pass", "warn", "known", "fail")


@dataclass(frozen=True)
class Digest:
    """What one person is told. `counts`: results of checks by status; `ending`: how the night ended, a sentence."""

    profile: str
    night: date
    to: str
    ending: str
    alerts: Sequence[Alert]
    counts: Mapping[str, int]

    @property
    def is_quiet(self) -> bool:
        return not self.alerts

    @property
    def needs(self) -> int:
        """How many lines need a person."""
        return sum(each.kind in NEEDS_A_PERSON for each in self.alerts)

    @property
    def subject(self) -> str:
        told = f"{self.needs} to look after" if self.needs else "all is well"
        return f"{_sample(self.profile)}Warehouse, night of {self.night}: {told}"

    @property
    def sections(self) -> Iterator[tuple[str, list[Alert]]]:
        """Heading and alerts, the most urgent first."""
        for kind, group in groupby(sorted(self.alerts, key=worst_first), key=lambda each: each.kind):
            yield SECTIONS[kind][0], list(group)

    @property
    def summary(self) -> str:
        passed, warned, known, failed = (self.counts.get(state, 0) for state in STATES)
        return f"{passed} passed, {warned} warned, {known} known, {failed} failed"


def digests(
    profile: str,
    night: date,
    ending: str,
    alerts: Sequence[Alert],
    counts: Mapping[str, Mapping[str, int]],
    stewards: Sequence[str],
    lineage: Lineage,
) -> list[Digest]:
    """One for everybody who is concerned; of a quiet day as QUIET says. `counts`: by owner; `stewards`: of sources."""
    theirs: dict[str, list[Alert]] = {TEAM: list(alerts)}
    for alert in alerts:
        for name in _concerned(alert, lineage) - {TEAM}:
            theirs.setdefault(name, []).append(alert)
    quiet = os.environ.get(QUIET, "team")
    if quiet == "all":
        theirs = {**{name: [] for name in stewards}, **theirs}
    every = {state: sum(each.get(state, 0) for each in counts.values()) for state in STATES}
    return [
        Digest(profile, night, name, ending, told, every if name == TEAM else counts.get(name, {}))
        for name, told in sorted(theirs.items())
        if told or quiet != "none"
    ]


def _concerned(alert: Alert, lineage: Lineage) -> set[str]:
    """Its owner, and the stewards of the KPIs that stand on it. What stops everything is the data team's to mend."""
    if alert.kind not in NEEDS_A_PERSON or alert.radius.whole:
        return {alert.owner}
    return {alert.owner, *(lineage.stewards.get(kpi, alert.owner) for kpi in alert.radius.kpis)}


def write(settings: Settings, night: date, told: Sequence[Digest], *, complete: bool = True) -> list[Path]:
    """Write digests/<night>/<steward>.txt and .html, in place of what a run before wrote. Returns the text files.

    What is not `complete` takes nobody's place: the night may have been told already when the database went away.
    """
    folder = settings.base / "digests" / night.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for each in told:
        path = folder / f"{division_key(each.to)}.txt"
        if path.exists() and not complete:
            continue
        put(path, as_text(each).encode())
        put(path.with_suffix(".html"), as_html(each).encode())
        written.append(path)
    kept = {path.stem for path in written}
    for old in (*folder.glob("*.txt"), *folder.glob("*.html")):
        if complete and old.stem not in kept:
            old.unlink()
    return written


def as_text(digest: Digest) -> str:
    """For a terminal and the body of a mail; of a quiet day two lines."""
    lines = [f"City Performance Warehouse · night of {digest.night} · {digest.to}"]
    if digest.profile == "sample":
        lines.append("SAMPLE - invented figures")
    if digest.is_quiet:
        return "\n".join([*lines, f"{digest.ending} All is well: {digest.summary}."]) + "\n"
    lines += [digest.ending, ""]
    for heading, alerts in digest.sections:
        lines.append(heading)
        for alert in alerts:
            lines += [f"  {alert.sign} {alert.message}", *(f"    {each}" for each in _more(alert))]
            lines.append(f"    {alert.about}")
    return "\n".join([*lines, "", digest.summary]) + "\n"


def _more(alert: Alert) -> list[str]:
    return [*alert.examples, *([f"and {alert.more} more of this check"] if alert.more else [])]


def as_html(digest: Digest) -> str:
    """The same as a page of its own: no script, nothing fetched, no meaning by colour."""
    from jinja2 import Environment

    template = Environment(autoescape=True).from_string(PAGE.read_text("utf-8"))
    return template.render(digest=digest, more=_more, sample=digest.profile == "sample") + "\n"


def as_chat(digest: Digest) -> str:
    """The same in Slack's markup, cut to what a channel can bear."""
    lines = [f"*{chat_text(digest.subject)}*", chat_text(digest.ending)]
    if digest.is_quiet:
        return " ".join(lines)
    left = len(digest.alerts)
    for heading, alerts in digest.sections:
        lines.append(f"*{chat_text(heading)}*")
        for alert in alerts:
            told = f"{alert.sign} {chat_text(alert.message[:400])}\n      {chat_text(alert.about)}"
            if len("\n".join(lines)) + len(told) > CHAT:
                return "\n".join([*lines, f"… and {left} more, in the digest of {chat_text(digest.to)}"])
            lines.append(told)
            left -= 1
    return "\n".join(lines)


def chat_text(text: str) -> str:
    """Text that Slack takes as text: no links, no mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _sample(profile: str) -> str:
    return "SAMPLE - " if profile == "sample" else ""
