"""Closed periods: a month, quarter or year whose figures change only through a restatement that somebody approved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import class_row

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.publish.approvers import may

CAUSES: Final = ("revision", "late data", "correction", "definition")
SHOWN: Final = 8
_MONTHS: Final[Mapping[str, int]] = {"month": 1, "quarter": 3, "year": 12}

Grain = Literal["month", "quarter", "year"]


class NotAPeriod(CityperfError):
    """A text that names no month, quarter or year."""


@dataclass(frozen=True)
class Period:
    """A calendar month, quarter or year; `end` is its last day."""

    grain: Grain
    start: date

    @property
    def end(self) -> date:
        months = self.start.month - 1 + _MONTHS[self.grain]
        return date(self.start.year + months // 12, months % 12 + 1, 1) - timedelta(days=1)

    def __str__(self) -> str:
        if self.grain == "year":
            return str(self.start.year)
        if self.grain == "quarter":
            return f"{self.start.year}-Q{(self.start.month + 2) // 3}"
        return f"{self.start:%Y-%m}"


def period_of(text: str) -> Period:
    """2026, 2026-Q3 or 2026-09. Raises NotAPeriod for anything else."""
    found = re.fullmatch(r"(\d{4})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])))?", text.strip(), re.IGNORECASE)
    if found is None:
        raise NotAPeriod(
            f"expected a month, quarter or year such as 2026-09, 2026-Q3 or 2026, found {text!r}"
        )
    year, quarter, month = found.groups()
    if quarter:
        return Period("quarter", date(int(year), 3 * int(quarter) - 2, 1))
    return Period("month", date(int(year), int(month), 1)) if month else Period("year", date(int(year), 1, 1))


@dataclass(frozen=True)
class Closed:
    """A row of ops.closed_period; open again once `reopened_on` is set."""

    period_grain: Grain
    period_start: date
    closed_on: date
    closed_by: str
    note: str | None
    reopened_on: date | None
    reopened_by: str | None
    reopened_note: str | None

    @property
    def period(self) -> Period:
        return Period(self.period_grain, self.period_start)


def close(settings: Settings, period: Period, by: str, on: date, note: str | None = None) -> Closed:
    """Close a period that has ended. Closing it twice changes nothing.

    Raises NotAllowed for who may not, NotAPeriod for one that is not over on `on` (a Toronto date).
    """
    person = may(by, "period")
    if period.end >= on:
        raise NotAPeriod(
            f"expected a period that is over, found {period}, which ends on {period.end}, on {on}"
        )
    with connect(settings, "publisher") as connection:
        known = _closed(connection, period)
        if known is None or known.reopened_on is not None:
            connection.execute(
                "insert into ops.closed_period (period_grain, period_start, period_end, closed_on, closed_by, note) "
                "values (%s, %s, %s, %s, %s, %s) on conflict (period_grain, period_start) do update set "
                "closed_on = excluded.closed_on, closed_by = excluded.closed_by, note = excluded.note, "
                "reopened_on = null, reopened_by = null, reopened_note = null",
                (period.grain, period.start, period.end, on, person.id, note),
            )
            _decided(connection, f"period {period}", "closed", person.id, on, note)
        found = _closed(connection, period)
    assert found is not None  # noqa: S101  # written above
    return found


def reopen(settings: Settings, period: Period, by: str, on: date, note: str) -> None:
    """Open a closed period again: whoever closed it needs somebody else to do so.

    Raises NotAllowed, and NotAPeriod for one that is not closed.
    """
    with connect(settings, "publisher") as connection:
        known = _closed(connection, period)
        if known is None or known.reopened_on is not None:
            raise NotAPeriod(
                f"expected a closed period, found {period}, which is open; ./cityperf period list"
            )
        person = may(by, "period", [known.closed_by])
        connection.execute(
            "update ops.closed_period set reopened_on = %s, reopened_by = %s, reopened_note = %s "
            "where period_grain = %s and period_start = %s",
            (on, person.id, note, period.grain, period.start),
        )
        _decided(connection, f"period {period}", "reopened", person.id, on, note)


def listed(settings: Settings) -> list[Closed]:
    """Every period that was ever closed, newest first."""
    with (
        connect(settings, "publisher") as connection,
        connection.cursor(row_factory=class_row(Closed)) as cursor,
    ):
        return cursor.execute(f"{_SELECT} order by period_end desc, period_grain").fetchall()


def request(settings: Settings, period: Period, kpi_id: str, cause: str, note: str, by: str, on: date) -> int:
    """Announce that figures of a KPI will change within a closed period. Returns the number of the request, which
    somebody else approves; then one release may bring the change.

    Raises CityperfError for a KPI that is not published or a cause that is none.
    """
    if cause not in CAUSES:
        raise CityperfError(f"expected one of {', '.join(CAUSES)} as the cause, found {cause!r}")
    with connect(settings, "publisher") as connection:
        known = connection.execute(
            "select 1 from ops.published_definition where kpi_id = %s limit 1", (kpi_id,)
        ).fetchone()
        if known is None:
            raise CityperfError(
                f"expected the id of a published KPI, found {kpi_id!r}; ./cityperf kpi list shows them"
            )
        row = connection.execute(
            "insert into ops.approval_request (kind, reason, authors, asked_on) values ('restatement', %s, %s, %s) "
            "returning request_id",
            (f"{cause} of {kpi_id} in {period}: {note}", [by], on),
        ).fetchone()
        number = int(row[0]) if row else 0
        connection.execute(
            "insert into ops.restatement_request "
            "(request_id, kpi_id, period_start, period_end, cause, note, requested_by) "
            "values (%s, %s, %s, %s, %s, %s, %s)",
            (number, kpi_id, period.start, period.end, cause, note, by),
        )
    return number


def unapproved(connection: Connection[Any], number: int) -> list[tuple[str, str, int]]:
    """Restated figures of candidate `number` that lie in a closed period and that nobody approved: KPI, closed period,
    how many. A longer period is not closed by a shorter one in it.
    """
    rows = connection.execute(
        "select r.kpi_id, c.period_grain, c.period_start, count(*) from ops.restatement as r "
        "join ops.closed_period as c on c.reopened_on is null and r.period_start >= c.period_start "
        "and ops.period_end(r.period_grain, r.period_start) <= c.period_end "
        "where r.number = %s and r.request_id is null group by 1, 2, 3 order by 1, 3, 2",
        (number,),
    ).fetchall()
    return [(kpi, str(Period(grain, start)), count) for kpi, grain, start, count in rows]


def in_words(changes: list[tuple[str, str, int]]) -> str:
    """What `unapproved` found, as the reason why a candidate is held."""
    each = [f"{kpi} in {period} ({n} figure{'s' * (n > 1)})" for kpi, period, n in changes[:SHOWN]]
    more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    return f"it changes closed periods, and nobody approved that: {', '.join(each)}{more}"


_SELECT: Final = (
    "select period_grain, period_start, closed_on, closed_by, note, reopened_on, reopened_by, reopened_note "
    "from ops.closed_period"
)


def _closed(connection: Connection[Any], period: Period) -> Closed | None:
    with connection.cursor(row_factory=class_row(Closed)) as cursor:
        return cursor.execute(
            f"{_SELECT} where period_grain = %s and period_start = %s", (period.grain, period.start)
        ).fetchone()


def _decided(
    connection: Connection[Any], subject: str, what: str, by: str, on: date, note: str | None
) -> None:
    connection.execute(
        "insert into ops.approval (subject, decision, decided_by, decided_on, what, note) "
        "values (%s, 'approved', %s, %s, %s, %s)",
        (subject, by, on, what, note),
    )
