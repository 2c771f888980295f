"""What a reader of published tables knows, as numbers: cells, what is said of each, and the sums that hold among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
FAR: Final = 1e7  # more people than any table counts: a cell without an upper bound


@dataclass(frozen=True)
class Relation:
    """Σ coefficient · cell = constant, over cells by place."""

    cells: tuple[int, ...]
    coefficients: tuple[float, ...]
    constant: float = 0.0


def total_of(total: int, parts: Sequence[int]) -> Relation:
    """The cell `total` is the sum of `parts`."""
    return Relation((total, *parts), (1.0, *(-1.0 for _ in parts)))


@dataclass(frozen=True)
class Problem:
    """Cells in order, all counts of persons. `low` and `high` are what is published of each: equal where its figure is
    shown, apart where it is hidden (0 and FAR) or rounded. `need` is how far the interval of a hidden cell must span;
    0 where nothing is asked (shown, or no published cell at all).
    """

    names: tuple[Any, ...]
    low: Numbers
    high: Numbers
    need: Numbers
    relations: tuple[Relation, ...]

    @property
    def free(self) -> Flags:
        """Which cells a reader does not know."""
        return self.low < self.high

    def shown(self, values: Mapping[int, float] | Numbers, which: Iterable[int]) -> Problem:
        """The same with the figures of `which` known."""
        low, high = self.low.copy(), self.high.copy()
        for cell in which:
            low[cell] = high[cell] = values[cell]
        return replace(self, low=low, high=high)

    def hiding(self, which: Iterable[int], need: Numbers) -> Problem:
        """The same with the figures of `which` hidden; each then needs what `need` says."""
        low, high, needs = self.low.copy(), self.high.copy(), self.need.copy()
        for cell in which:
            low[cell], high[cell], needs[cell] = 0.0, FAR, need[cell]
        return replace(self, low=low, high=high, need=needs)


@dataclass(frozen=True)
class Part:
    """Free cells that some chain of relations ties together, as a system of their own: `matrix` · x = `right`."""

    cells: NDArray[np.int64]
    matrix: Numbers
    right: Numbers
    low: Numbers
    high: Numbers
    need: Numbers


def parts(problem: Problem, among: Collection[int] | None = None) -> list[Part]:
    """The problem's independent parts, known cells folded into the right sides; with `among` only those that hold one
    of these cells.
    """
    free = np.flatnonzero(problem.free)
    place = {int(cell): number for number, cell in enumerate(free)}
    rows: list[tuple[list[int], list[float], float]] = []
    for relation in problem.relations:
        inside: list[int] = []
        factors: list[float] = []
        right = relation.constant
        for cell, factor in zip(relation.cells, relation.coefficients, strict=True):
            if cell in place:
                inside.append(place[cell])
                factors.append(factor)
            else:
                right -= factor * float(problem.low[cell])
        if inside:
            rows.append((inside, factors, right))
    labels = components(len(free), [inside for inside, _, _ in rows])
    wanted = None if among is None else {int(labels[place[c]]) for c in among if c in place}
    found = []
    members: dict[int, list[int]] = {}
    for number, label in enumerate(labels):
        members.setdefault(int(label), []).append(number)
    of_label: dict[int, list[int]] = {}
    for number, (inside, _, _) in enumerate(rows):
        of_label.setdefault(int(labels[inside[0]]), []).append(number)
    for label, numbers in members.items():
        if wanted is not None and label not in wanted:
            continue
        column = {number: at for at, number in enumerate(numbers)}
        equations = of_label.get(label, [])
        matrix, rights = np.zeros((len(equations), len(numbers))), np.zeros(len(equations))
        for line, equation in enumerate(equations):
            inside, factors, rights[line] = rows[equation]
            for number, factor in zip(inside, factors, strict=True):
                matrix[line, column[number]] += factor
        cells = free[numbers]
        found.append(
            Part(cells, matrix, rights, problem.low[cells], problem.high[cells], problem.need[cells])
        )
    return found


def components(count: int, groups: Iterable[Sequence[int]]) -> list[int]:
    """A label for each of `count` things; those that share a group, or a chain of groups, have the same."""
    leader = list(range(count))

    def find(thing: int) -> int:
        while leader[thing] != thing:
            leader[thing] = leader[leader[thing]]
            thing = leader[thing]
        return thing

    for group in groups:
        first = find(group[0])
        for other in group[1:]:
            leader[find(other)] = first
    return [find(thing) for thing in range(count)]
