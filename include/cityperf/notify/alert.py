"""What may stand in a digest: one alert per cause, with what it touches, who answers for it and where to read on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

from cityperf.notify.radius import NOTHING, Radius

TEAM: Final = "Performance Office"  # the data team: gets everything, and what has no other owner
RUNBOOK: Final = "docs/runbooks/alerts.md"

Kind = Literal[
    "dead_man", "late", "hand_in", "blocked", "quarantined", "restated", "expired", "warning", "known"
]
# In the order in which a person is needed: heading, sign, and what became of the figures that stand on it.
SECTIONS: Final[dict[Kind, tuple[str, str, str]]] = {
    "dead_man": ("Did not run", "✘", ""),
    "late": ("Late", "✘", "kept as they were"),
    "hand_in": ("Hand-ins to chase", "✘", "kept as they were"),
    "blocked": ("Blocked or failed", "✘", "held at last good"),
    "quarantined": ("Quarantined", "✘", "without what is held"),
    "restated": ("Restated", "!", "changed"),
    "expired": ("Known issues that expired", "!", ""),
    "warning": ("Look at it", "!", ""),
    "known": ("Known, still counted", "~", ""),
}
RANK: Final = {kind: place for place, kind in enumerate(SECTIONS)}
NEEDS_A_PERSON: Final = frozenset(SECTIONS) - {"warning", "known"}
# A failure lasts until it is mended. A restatement is an event, and divisions' hand-ins are chased by letters.
TICKETED: Final = frozenset({"dead_man", "late", "blocked", "quarantined", "expired"})


@dataclass(frozen=True)
class Alert:
    """One cause. `check` and `subject` (data set, table, job) name it together with its kind; `message` stands alone.

    `since`: the night from which it lasts, where that is not tonight. `pages`: a person is told at once. `passing`:
    an event that nothing mends, so it opens no ticket. `more`: how many further findings it stands for. `mild`: no
    hurry yet.
    """

    kind: Kind
    check: str
    subject: str
    message: str
    owner: str
    runbook: str
    radius: Radius = NOTHING
    since: date | None = None
    pages: bool = False
    passing: bool = False
    mild: bool = False
    more: int = 0
    examples: tuple[str, ...] = field(default=())  # further messages of the same cause

    @property
    def cause(self) -> str:
        return f"{self.kind}:{self.check}:{self.subject}"

    @property
    def opens_ticket(self) -> bool:
        return self.kind in TICKETED and not self.passing

    @property
    def sign(self) -> str:
        return "!" if self.mild else SECTIONS[self.kind][1]

    @property
    def about(self) -> str:
        """What it touches, who answers, since when, and the section of the runbook."""
        parts = [self.radius.in_words(SECTIONS[self.kind][2]), f"owner: {self.owner}"]
        parts += [f"since {self.since}"] if self.since else []
        return " · ".join([*parts, f"see {self.runbook}"])


def worst_first(alert: Alert) -> tuple[object, ...]:
    """Sort key: by section; there what touches most first."""
    return RANK[alert.kind], alert.mild, not alert.pages, -alert.radius.size, alert.subject, alert.check
