"""Which hand-ins are due or late as of a night: the contracts' due dates against what stands in raw."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from cityperf.config import Settings
from cityperf.handin import Workbook, division_key, workbooks
from cityperf.sources import Contract, Due

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True)
class Expected:
    """A hand-in of one division that has not come. `due`: the day for which it is expected; `last`: the date that its
    latest hand-in reflects, if there is one; `refused`: the file that was refused since then.
    """

    workbook: str
    division: str
    steward: str
    due: date
    days: int  # until it is due; negative: days that it is late
    last: date | None
    refused: str | None

    @property
    def state(self) -> Literal["due", "late"]:
        return "late" if self.days < 0 else "due"

    def __str__(self) -> str:
        when = f"{-self.days} days late" if self.days < 0 else f"due in {self.days} days"
        if self.days == 0:
            when = "due today"
        last = f"the last one reflects {self.last}" if self.last else "none came so far"
        refused = f"; {self.refused} was refused, see its receipt" if self.refused else ""
        return f"{self.workbook} of {self.division}: {when} ({self.due}); {last}{refused}"


def expected(
    settings: Settings, night: date, contracts: Mapping[str, Contract] | None = None
) -> list[Expected]:
    """The hand-ins that are late on `night`, and those due soon enough to remind of; the latest first."""
    from cityperf.db import connect
    from cityperf.sources import load_contracts

    known = load_contracts() if contracts is None else contracts
    with connect(settings, "loader", autocommit=True) as db:
        found = [each for book in workbooks(known.values()).values() for each in _of(db, book, night)]
    return sorted(found, key=lambda each: (each.days, each.workbook, each.division))


def _of(db: psycopg.Connection[Any], workbook: Workbook, night: date) -> Iterator[Expected]:
    standing = _standing(db, workbook, night)
    refused = _refused(db, workbook, night)
    for division in workbook.divisions:
        key = division_key(division)
        last = standing.get(key) or (standing.get("") if len(workbook.divisions) == 1 else None)
        due = awaited(workbook.register.due, night, last)
        if due is not None:
            days = (due - night).days
            yield Expected(
                workbook.folder, division, workbook.steward, due, days, last, refused.get(division)
            )


def awaited(due: Due, night: date, last: date | None) -> date | None:
    """The due date to speak of on `night`, if the latest hand-in reflects `last`: the one that was missed, or the next
    one when it is near; None while all is well.

    A hand-in answers a due date when it reflects a day since the due date before it.
    """
    days = list(due_dates(due, night.year - 2, night.year + 1))
    missed = max(day for day in days if day <= night)
    before = max(day for day in days if day < missed)
    if last is None or last < before:
        return missed
    coming = min(day for day in days if day > night)
    return coming if night >= coming - due.remind and last < missed else None


def due_dates(due: Due, first: int, last: int) -> Iterator[date]:
    """The due dates of the years `first` to `last`, in order; in a short month its last day."""
    for year in range(first, last + 1):
        for month in sorted(due.months):
            yield date(year, month, min(due.day, calendar.monthrange(year, month)[1]))


def _standing(db: psycopg.Connection[Any], workbook: Workbook, night: date) -> dict[str, date]:
    """The latest date that each division's hand-ins reflect, by its key, over all sheets; under '' that of sheets in
    which the division stands in every row.
    """
    from psycopg import sql

    found: dict[str, date] = {}
    for contract in workbook.sheets:
        if db.execute("select to_regclass(%s)", (f"raw.{contract.table}",)).fetchone() == (None,):
            continue
        above = any(column.name == "division" and column.above for column in contract.named_columns)
        query = sql.SQL(
            "select {}, max(substr(btrim(as_of), 1, 10)) from {} where _night <= {} "
            "and as_of ~ '^\\s*[0-9]{{4}}-(0[1-9]|1[0-2])-[0-3][0-9]' group by 1"
        ).format(
            sql.SQL("division" if above else "''"),
            sql.Identifier("raw", contract.table),
            sql.Literal(night),
        )
        for division, day in db.execute(query):
            key = division_key(division or "")
            found[key] = max(found.get(key, date.min), date.fromisoformat(day))
    return found


def _refused(db: psycopg.Connection[Any], workbook: Workbook, night: date) -> dict[str, str]:
    """The last file of each division that was refused and not replaced by a good one of its name."""
    rows = db.execute(
        "select name from quarantine.files as q where dataset = any(%s) and state = 'held' and night <= %s and "
        "night > %s and not exists (select 1 from ops.batch as b join ops.landed_file as f using (file_id) "
        "where f.dataset = q.dataset and f.name = q.name and b.state = 'loaded' and b.night >= q.night "
        "and b.night <= %s) order by night, quarantine_id",
        ([sheet.dataset for sheet in workbook.sheets], night, night - timedelta(days=100), night),
    ).fetchall()
    return {workbook.division_of(name): name for (name,) in rows}


def by_steward(found: Iterable[Expected]) -> dict[str, list[Expected]]:
    """What each steward has to chase."""
    stewards: dict[str, list[Expected]] = {}
    for each in found:
        stewards.setdefault(each.steward, []).append(each)
    return stewards


def remind(settings: Settings, night: date, found: Iterable[Expected]) -> None:
    """One mail for each division with all that it still has to hand in."""
    from cityperf.handin.mail import send

    divisions: dict[str, list[Expected]] = {}
    for each in found:
        divisions.setdefault(each.division, []).append(each)
    for division, theirs in sorted(divisions.items()):
        late = sum(each.state == "late" for each in theirs)
        subject = f"{late} late, {len(theirs) - late} due: hand-ins / {late} en retard, {len(theirs) - late} à remettre"
        send(settings, night, division, "hand-ins", subject, _letter(settings, theirs))


def _letter(settings: Settings, theirs: list[Expected]) -> str:
    lines = (
        ["SAMPLE - invented data / EXEMPLE - données inventées", ""] if settings.profile == "sample" else []
    )
    lines += ["Still to be handed in / À remettre :"]
    for each in theirs:
        fr = f"en retard de {-each.days} jours" if each.days < 0 else f"à remettre d'ici {each.days} jours"
        lines += [f"- {each}", f"  ({each.workbook} : {fr}, {each.due})"]
    lines += [
        "",
        "Put the filled workbook into its drop folder, or ask the steward named in its instructions.",
        "Déposez le classeur rempli dans son dossier, ou adressez-vous au responsable nommé dans le mode d'emploi.",
    ]
    return "\n".join(lines) + "\n"
