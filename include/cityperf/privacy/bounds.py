"""What a reader can work out of each hidden cell: the smallest and the largest count that fit everything published.

Linear programming over all tables that fit (scipy's HiGHS). Persons come whole: where the optimum of the relaxation is not
whole, the integer programme is solved. The interval is what `attack` returns; a hidden cell is safe when it spans at least
its need, max - min >= need (kpi-rules 3.11; the Auditing module of StatCan's G-Confid asks the same of its intervals).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cityperf.privacy.problem import FAR, Numbers, Part, Problem, parts

TOLERANCE: Final = 1e-6  # of the solver; counts are whole


@dataclass(frozen=True)
class Interval:
    """Smallest and largest count that a reader must hold possible; `high` is FAR where nothing bounds it."""

    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low


class Impossible(ValueError):
    """The figures contradict each other: no table fits all that is published."""


def attack(problem: Problem, cells: Collection[int] | None = None) -> dict[int, Interval]:
    """The exact interval of each free cell, or of `cells` among them. Raises Impossible where nothing fits."""
    found = {}
    for part in parts(problem, cells):
        wanted = range(len(part.cells))
        for at in wanted:
            if cells is None or int(part.cells[at]) in cells:
                low, high = _extreme(part, at, 1)[at], _extreme(part, at, -1)[at]
                found[int(part.cells[at])] = Interval(float(low), float(high))
    return found


def unsafe(problem: Problem, among: Collection[int] | None = None, *, one: bool = False) -> list[int]:
    """Free cells whose interval spans less than they need, in order; `one` is enough where that is asked. Every table that
    turns up on the way to one cell's bounds fits for all others too, so most cells are seen to be safe without a programme
    of their own.
    """
    found: list[int] = []
    for part in parts(problem, among):
        found += (int(part.cells[at]) for at in _unsafe_in(part, one=one)) if part.need.any() else ()
        if one and found:
            break
    return sorted(found)


def _unsafe_in(part: Part, *, one: bool) -> list[int]:
    asked = [int(at) for at in np.flatnonzero(part.need > 0)]
    if len(part.matrix) <= 1:
        spans = _spans(part)
        return [at for at in asked if spans[at] < part.need[at] - TOLERANCE]
    seen_low, seen_high = np.full(len(part.cells), np.inf), np.full(len(part.cells), -np.inf)
    found = []
    for at in asked:
        for direction in (-1, 1):
            if seen_high[at] - seen_low[at] >= part.need[at] - TOLERANCE:
                break
            table = _extreme(part, at, direction)
            seen_low, seen_high = np.minimum(seen_low, table), np.maximum(seen_high, table)
        if seen_high[at] - seen_low[at] < part.need[at] - TOLERANCE:
            found.append(at)
            if one:
                break
    return found


def _spans(part: Part) -> Numbers:
    """How far each cell's interval spans where no sum ties it to others, or one does: then the others' ends give its own."""
    if len(part.matrix) == 0:
        return part.high - part.low
    ends = np.sort([part.matrix[0] * part.low, part.matrix[0] * part.high], axis=0)
    low: Numbers = np.maximum(part.right[0] - (ends[1].sum() - ends[1]), ends[0])
    high: Numbers = np.minimum(part.right[0] - (ends[0].sum() - ends[0]), ends[1])
    return high - low


def _extreme(part: Part, at: int, direction: int) -> Numbers:
    """A whole table that fits, in which the cell is smallest (direction 1) or largest (-1)."""
    if len(part.matrix) == 0:
        table = part.low.copy()
        table[at] = part.low[at] if direction == 1 else part.high[at]
        return table
    aim = np.zeros(len(part.cells))
    aim[at] = direction
    table = solve(aim, part, whole=False)
    near = np.round(table)
    if np.abs(table - near).max() > TOLERANCE:
        near = np.round(solve(aim, part, whole=True))
    return near


def solve(aim: Numbers, part: Part, *, whole: bool) -> Numbers:
    """A table that fits with the smallest `aim` · x. Raises Impossible where none does."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    outcome: Any = milp(
        aim,
        integrality=np.ones(len(aim)) if whole else np.zeros(len(aim)),
        bounds=Bounds(part.low, np.minimum(part.high, FAR)),
        constraints=LinearConstraint(part.matrix, part.right, part.right),
    )
    if outcome.x is None:
        raise Impossible(f"no table fits the figures that are published: {outcome.message}")
    found: Numbers = outcome.x
    return found
