"""Which cells of a table are hidden, and why.

A count above 0 and below its threshold is hidden (primary), then what would tell it (secondary), then what an earlier
release hid and still has the same figure: showing it would tell what was hidden beside it (difference). What an earlier
release showed, and is the same, readers know: hiding it protects nothing, so it protects no other cell. Cells that were
hidden before are the first choice. A part of a table whose cells are as they were is not worked out again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cityperf.privacy import tables
from cityperf.privacy.bounds import solve
from cityperf.privacy.classes import METHOD
from cityperf.privacy.history import BEFORE, Past, sums_before
from cityperf.privacy.problem import FAR, Problem, Relation, components, parts
from cityperf.privacy.rounding import draw, random_round, tag
from cityperf.privacy.spec import Declared
from cityperf.privacy.suppress import cost_of, protect
from cityperf.privacy.tables import Cell, Row

FAMILIAR: Final = 0.05  # what hiding again costs of what hiding costs


@dataclass(frozen=True)
class Judged:
    """A cell's fate: why it is hidden (None: shown), as what it is shown, and what that rests on."""

    reason: str | None
    threshold: int
    tag: str
    shown: int | None
    block: str | None


def judge(
    told: Declared,
    rows: Sequence[Row],
    key: bytes,
    past: Past | None = None,
    blocks: Mapping[str, Mapping[Cell, str | None]] | None = None,
) -> dict[Cell, Judged]:
    """What becomes of every cell. `blocks`: earlier decisions by what they rested on, cell by cell."""
    past, blocks = past or Past(), blocks or {}
    board = Board(told, rows, key, past)
    reasons: dict[Cell, str] = dict.fromkeys(board.primary, "primary")
    rests_on: dict[Cell, str] = {}
    for group in board.groups():
        block, cells = board.fingerprint(group), [c for c in group if c in board.counts]
        rests_on |= dict.fromkeys(cells, block)
        if block in blocks and set(blocks[block]) == set(cells):
            reasons |= {cell: reason for cell, reason in blocks[block].items() if reason is not None}
        else:
            reasons = board.further(group) | reasons
    return {
        cell: Judged(
            reasons.get(cell),
            board.need[cell],
            board.tags[cell],
            None if cell in reasons else _shown(told, cell, count, key),
            rests_on.get(cell),
        )
        for cell, count in board.counts.items()
    }


def _shown(told: Declared, cell: Cell, count: int, key: bytes) -> int:
    base = told.rules.measures[cell[1]].rounding
    return random_round(count, base, draw(key, told.table, *cell, count)) if base else count


class Board:
    """A table with all that bears on its hidden cells: thresholds, history, the sums among cells now and before."""

    def __init__(self, told: Declared, rows: Sequence[Row], key: bytes, past: Past) -> None:
        self._told = told
        self.counts: dict[Cell, int] = {
            (row.key, measure): count
            for row in rows
            for measure, count in row.counts.items()
            if count is not None
        }
        self.need = {cell: told.rules.threshold_of(cell[1]) for cell in self.counts}
        self.tags = {cell: tag(key, told.table, *cell, count) for cell, count in self.counts.items()}
        self.primary = [cell for cell, count in self.counts.items() if 0 < count < self.need[cell]]
        self._known = {cell for cell in self.counts if past.knows(cell, self.tags[cell])}
        self.again = [
            cell for cell in self.counts if cell not in self._known and past.hid(cell, self.tags[cell])
        ]
        self._again = frozenset(self.again)
        self._last = past.last
        self._names: dict[Any, int] = {}
        for cell in self.counts:
            self._place(cell)
        self._wholes = {key for key, _ in tables.totals(told, [row.key for row in rows])}
        self.relations = tables.relations(told, rows, self._place, tables.shown_elsewhere(told, rows))
        unchanged = {cell for cell, seen in self._last.items() if self.tags.get(cell) == seen.tag}
        self.relations += sums_before(told, self._last, unchanged, self._names)
        self._by_place = list(self._names)

    def _place(self, name: Any) -> int:
        return self._names.setdefault(name, len(self._names))

    def groups(self) -> list[list[Any]]:
        """Cells that sums tie together, where there is something to protect."""
        asking = {self._names[c] for c in (*self.primary, *self.again) if c not in self._known}
        labels = components(len(self._names), [each.cells for each in self.relations])
        members: dict[int, list[int]] = defaultdict(list)
        for place, label in enumerate(labels):
            members[label].append(place)
        return [
            [self._by_place[place] for place in each]
            for each in members.values()
            if not asking.isdisjoint(each)
        ]

    def fingerprint(self, group: Sequence[Any]) -> str:
        inside = {self._names[name] for name in group}
        told = [
            METHOD,
            [
                (name, self.counts.get(name), self.need.get(name), name in self._known, self._seen(name))
                for name in group
            ],
            [
                ([self._by_place[cell] for cell in each.cells], each.coefficients, each.constant)
                for each in self.relations
                if each.cells[0] in inside
            ],
        ]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:24]

    def _seen(self, name: Any) -> tuple[Any, ...]:
        seen = self._last.get(name[1:] if name[0] == BEFORE else name)
        return (name in self._again, seen.is_hidden, seen.shown) if seen else ()

    def further(self, group: Sequence[Any]) -> dict[Cell, str]:
        """The cells of a group that are to be hidden beside the small ones, and why."""
        inside = set(group)
        small = {cell for cell in self.primary if cell in inside and cell not in self._known}
        found = self._protected(group, small) if small else set()
        again = {cell for cell in self.again if cell in inside} - found
        everything = self._protected(group, found | again) if again else found
        return {cell: "difference" if cell in again else "secondary" for cell in everything}

    def _protected(self, group: Sequence[Any], hidden: Collection[Cell]) -> set[Cell]:
        """`hidden`, and what else has to be hidden so that none of it can be worked out."""
        place = {self._names[name]: number for number, name in enumerate(group)}
        relations = tuple(
            Relation(tuple(place[c] for c in each.cells), each.coefficients, each.constant)
            for each in self.relations
            if each.cells[0] in place
        )
        size = len(group)
        low, high, need, cost = np.zeros(size), np.full(size, FAR), np.zeros(size), np.zeros(size)
        usable = np.zeros(size, dtype=bool)
        for at, name in enumerate(group):
            if name in self.counts:
                cell, count = name, self.counts[name]
                low[at] = high[at] = count
                need[at] = self.need[cell]
                usable[at] = count > 0 and cell not in self._known
                cost[at] = cost_of(count, total=cell[0] in self._wholes)
                if (seen := self._last.get(cell)) and seen.is_hidden:
                    cost[at] *= FAMILIAR
            elif name[0] == BEFORE and (seen := self._last.get(name[1:])) and seen.shown is not None:
                low[at] = high[at] = seen.shown
        problem = Problem(tuple(group), low, high, np.zeros(size), relations)
        values = low.copy()
        for part in parts(problem):
            # What nobody publishes: any figures that fit will do, for they only show how far others may move.
            values[part.cells] = solve(np.zeros(len(part.cells)), part, whole=False)
        at_of = {name: at for at, name in enumerate(group)}
        found = protect(problem, values, [at_of[cell] for cell in hidden], need, cost, usable)
        if found.unprotected:
            # What readers know from earlier releases is all that is left: it helps against those who kept none.
            counted = np.array([self.counts.get(name, 0) > 0 for name in group])
            found = protect(problem, values, found.hidden, need, cost, counted)
        chosen: set[Any] = {group[at] for at in found.hidden}
        return chosen
