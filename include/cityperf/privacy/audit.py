"""The proof on what is about to be published: no hidden count can be worked out, or the release is held back.

It looks at the tables of the candidate as readers will get them, at what they know from other tables and earlier releases,
and attacks each hidden cell (see `bounds`). Nothing waives its verdict: no known issue applies. Messages name cells by
their coordinates, never by a figure.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from psycopg import Connection

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.privacy import tables
from cityperf.privacy.bounds import Impossible, unsafe
from cityperf.privacy.history import BEFORE, Past, key_of, read_past, sums_before
from cityperf.privacy.problem import FAR, Problem
from cityperf.privacy.rounding import of_random, tag
from cityperf.privacy.spec import Declared, declared
from cityperf.privacy.tables import Cell, Row, where
from cityperf.publish.swap import NEXT
from cityperf.publish.tables import tables as standing
from cityperf.quality.results import CheckResult, Rule, result_of

OWNER: Final = "Performance Office"
NAMED: Final = 3  # cells that a message names
EXPECTED: Final = {
    "small_counts_hidden": (
        "no count of persons above 0 and below its threshold",
        "the table was built without its entries in ops.disclosure: build it again",
    ),
    "derived_hidden": (
        "nothing that was worked out with a hidden count",
        "name the column under `derived` or `against` of the model's disclosure, and take it through `disclosed()`",
    ),
    "totals_add_up": (
        "totals to be the sum of their parts",
        "see `totals` of the model's disclosure: sums that do not hold protect nothing",
    ),
    "hidden_before": (
        "what an earlier release hid, and is the same, to be hidden",
        "build the table again; if ops.disclosure_past was lost, restore it",
    ),
    "not_derivable": (
        "every hidden count to leave open as many values as its threshold",
        "no cell is left that could be hidden as well: merge small groups, or take the total out of the table that shows it",
    ),
    "not_derivable_by_difference": (
        "the same for a reader who kept the earlier releases",
        "all that could protect it is published already: hold the new figure back, or let a named person decide",
    ),
}


def audit(settings: Settings) -> list[CheckResult]:
    """A result per check and declared table that stands in publish_next."""
    key = key_of(settings)
    found = []
    with connect(settings, "publisher") as connection:
        there = standing(connection, NEXT)
        for name, told in declared().items():
            if name in there:
                found += _audited(connection, told, key)
    return found


def _audited(connection: Connection[Any], told: Declared, key: bytes) -> list[CheckResult]:
    derived = sorted(
        {column for each in told.rules.measures.values() for column in each.derived}
        | {column for each in told.rules.against for column in each.columns}
    )
    rows = tables.read_rows(connection, NEXT, told.table, told, derived)
    view = _View(connection, told, rows, key)
    cells: dict[str, list[str]] = {
        "small_counts_hidden": [_named(cell) for cell in view.small()],
        "derived_hidden": sorted({f"{c} of {where(row)}" for row, c in view.leaks(connection)}),
        "totals_add_up": [_named(cell) for cell in tables.does_not_add_up(told, rows)],
        "hidden_before": [_named(cell) for cell in view.uncovered()],
    }
    try:
        alone, together = view.derivable(history=False), view.derivable(history=True)
        cells["not_derivable"] = [_named(cell) for cell in alone]
        cells["not_derivable_by_difference"] = [_named(cell) for cell in together if cell not in alone]
    except Impossible as contradiction:
        cells["not_derivable"] = [f"cells that cannot be judged: {contradiction}"]
    return [_result(told, check, broken) for check, broken in cells.items()]


def _named(cell: Cell) -> str:
    return f"{cell[1]} of {where(cell[0])}"


def _result(told: Declared, check: str, broken: Sequence[str]) -> CheckResult:
    expected, remedy = EXPECTED[check]
    rule = Rule(
        check=check,
        expectation="",
        arguments={},
        severity="block",
        owner=OWNER,
        runbook=f"privacy.md#{check.replace('_', '-')}",
        expected=expected,
        remedy=remedy,
        location=f"{NEXT}.{told.table}",
    )
    more = f" and {len(broken) - NAMED:,} more" if len(broken) > NAMED else ""
    found = f"{len(broken):,}: " + "; ".join(broken[:NAMED]) + more if broken else "none"
    return result_of(rule, "publish", f"publish.{told.table}", told.table, not broken, found)


class _View:
    """A candidate's table as a reader sees it."""

    def __init__(self, connection: Connection[Any], told: Declared, rows: Sequence[Row], key: bytes) -> None:
        self._told, self._rows, self._key = told, rows, key
        self._entries: dict[str, list[str]] = dict(
            connection.execute(
                "select row_key::text, hidden from ops.disclosure where table_name = %s", (told.table,)
            ).fetchall()
        )
        self._tags: dict[Cell, str] = {
            (row, measure): value_tag
            for row, measure, value_tag in connection.execute(
                "select row_key::text, measure, value_tag from ops.disclosure_cell where table_name = %s",
                (told.table,),
            )
        }
        self._elsewhere: dict[tuple[str, str], int] = {
            (measure, total): int(value)
            for measure, total, value in connection.execute(
                "select measure, total, value from ops.disclosure_total where table_name = %s", (told.table,)
            )
        }
        self._past: Past = read_past(connection, told, key)
        self.shown: dict[Cell, int] = {}
        self.hidden: list[Cell] = []
        for row in rows:
            for measure, count in row.counts.items():
                if count is not None:
                    self.shown[row.key, measure] = count
                elif row.key not in self._entries or measure in self._entries[row.key]:
                    self.hidden.append((row.key, measure))

    def small(self) -> Iterator[Cell]:
        for cell, count in self.shown.items():
            base = self._told.rules.measures[cell[1]].rounding
            most = of_random(count, base)[1] if base else count
            if count > 0 and most < self._told.rules.threshold_of(cell[1]):
                yield cell

    def leaks(self, connection: Connection[Any]) -> Iterator[tuple[str, str]]:
        """Derived columns (row, column) that are filled beside a hidden count."""
        columns = {row.key: row.columns for row in self._rows}
        hidden = set(self.hidden)
        for row, measure in self.hidden:
            for column in self._told.rules.measures[measure].derived:
                if columns[row][column] is not None:
                    yield row, column
        for rule in self._told.rules.against:
            for this, other in tables.pairs(connection, NEXT, self._told.table, self._told, rule.other):
                if (other, rule.measure) in hidden:
                    for column in rule.columns:
                        if columns[this][column] is not None:
                            yield this, column

    def _tag(self, cell: Cell) -> str | None:
        count = self.shown.get(cell)
        if count is None or self._told.rules.measures[cell[1]].rounding:
            return self._tags.get(cell)
        return tag(self._key, self._told.table, *cell, count)

    def uncovered(self) -> Iterator[Cell]:
        """Cells that are shown although a release hid them when they had this figure, and none showed it."""
        for cell in self.shown:
            now = self._tag(cell)
            if now and self._past.hid(cell, now) and not self._past.knows(cell, now):
                yield cell

    def derivable(self, *, history: bool) -> list[Cell]:
        """Hidden cells that a reader can work out closer than their threshold allows, with or without earlier releases.
        What a release showed with the same figure is past protection, so it is not asked for.
        """
        if not self.hidden:
            return []
        names: dict[Hashable, int] = {}

        def place(name: Hashable) -> int:
            return names.setdefault(name, len(names))

        relations = tables.relations(self._told, self._rows, place, self._elsewhere)
        now = {cell: self._tag(cell) for cell in (*self.shown, *self.hidden)}
        last = self._past.last if history else {}
        if history:
            unchanged = {cell for cell, seen in last.items() if now.get(cell) == seen.tag}
            relations += sums_before(self._told, last, unchanged, names)
        for each in self.hidden:
            place(each)
        size = len(names)
        low, high, need = np.zeros(size), np.full(size, FAR), np.zeros(size)
        hidden, gone = set(self.hidden), self._gone()
        for name, at in names.items():
            cell: Any = name
            if cell in self.shown:
                base = self._told.rules.measures[cell[1]].rounding
                count = self.shown[cell]
                low[at], high[at] = of_random(count, base) if base else (count, count)
            elif cell in hidden:
                known = self._known(cell, now[cell])
                if known is None:
                    need[at] = self._told.rules.threshold_of(cell[1])
                elif history:
                    low[at] = high[at] = known
            elif cell[0] == BEFORE:
                seen = last.get(cell[1:])
                if seen is not None and seen.shown is not None:
                    low[at] = high[at] = seen.shown
            elif cell in gone:
                low[at] = high[at] = 0
        problem = Problem(tuple(names), low, high, need, tuple(relations))
        return [problem.names[at] for at in unsafe(problem)]

    def _gone(self) -> set[Cell]:
        """Cells without a count that hide none."""
        return {(row.key, m) for row in self._rows for m in row.counts} - set(self.shown) - set(self.hidden)

    def _known(self, cell: Cell, now: str | None) -> int | None:
        """The figure of a hidden cell that some release has shown already: nothing can protect it any more."""
        return next(
            (
                seen.shown
                for seen in self._past.by_cell.get(cell, ())
                if not seen.is_hidden and seen.tag == now
            ),
            None,
        )
