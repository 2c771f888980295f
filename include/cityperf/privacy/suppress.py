"""Which further cells must be hidden so that no hidden one can be worked out.

One unsafe cell after the other: a linear programme looks for two tables with the published margins whose difference in that
cell is as large as it needs, and that differ from the true one in as cheap cells as possible; those are hidden too (the
way of the linear-programming heuristics in Fischetti and Salazar-González, Mathematical Programming 84, 1999, and of
G-Confid). What turns out to be hidden in vain is shown again. Every choice has one order, so the same tables give the same
cells.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cityperf.privacy.bounds import TOLERANCE, unsafe
from cityperf.privacy.problem import FAR, Flags, Numbers, Part, Problem, parts

ROUNDS: Final = (
    500  # unsafe cells that are taken care of one by one in a table; each round hides one cell or more
)
TIDY: Final = 400  # cells of a part up to which vain suppressions are looked for one by one


@dataclass(frozen=True)
class Pattern:
    """Cells that are hidden, and among them those that nothing at hand can protect."""

    hidden: frozenset[int]
    unprotected: frozenset[int]


def cost_of(value: float, *, total: bool = False) -> float:
    """What hiding a cell costs its readers: little for small counts, much for totals."""
    return math.log2(2 + value) * (6 if total else 1)


def protect(
    problem: Problem, values: Numbers, hidden: Collection[int], need: Numbers, cost: Numbers, usable: Flags
) -> Pattern:
    """The cells to hide so that all of `hidden` and all that are added are safe.

    `problem` has everything shown but what nobody publishes; `values` are true; `usable` says which further cells may be
    hidden and help (not zeros, not what readers know from elsewhere). A cell that cannot be protected stays hidden.
    """
    chosen, lost = set(hidden), set[int]()
    for _ in range(ROUNDS):
        told = problem.hiding(chosen, need)
        weak = [cell for cell in unsafe(told) if cell not in lost]
        if not weak:
            break
        # The one that is hardest to hide first: what it takes usually protects the others too.
        cell = max(weak, key=lambda each: (need[each], values[each], -each))
        added = _company(told, values, cell, need, cost, usable, chosen)
        if not added:
            lost.add(cell)
        chosen |= added
    return Pattern(
        frozenset(_tidied(problem, chosen, set(hidden), need, cost, lost)), frozenset(lost & chosen)
    )


def _company(
    told: Problem,
    values: Numbers,
    cell: int,
    need: Numbers,
    cost: Numbers,
    usable: Flags,
    chosen: Collection[int],
) -> set[int]:
    """Cells that, hidden as well, let `cell` span what it needs; empty where no cells do."""
    candidates = [int(each) for each in np.flatnonzero(usable & ~told.free)]
    open_to = told.hiding(candidates, np.zeros(len(need)))
    (part,) = parts(open_to, {cell})
    at = int(np.flatnonzero(part.cells == cell)[0])
    size = len(part.cells)
    price = np.array(
        [0.0 if told.free[each] else cost[each] * (1 + 1e-6 * place) for place, each in enumerate(part.cells)]
    )
    moved = _moves(part, values[part.cells], at, float(need[cell]), price)
    if moved is None:
        return set()
    amount = np.abs(moved.reshape(4, size)).sum(axis=0)
    return {
        int(each)
        for each, much in zip(part.cells, amount, strict=True)
        if much > TOLERANCE and not told.free[each] and each not in chosen
    }


def _moves(part: Part, true: Numbers, at: int, need: float, price: Numbers) -> Numbers | None:
    """Up and down moves of two tables from the true one, cheapest first, `need` apart in the cell `at`."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    size, equations = len(true), len(part.matrix)
    nothing = np.zeros_like(part.matrix)
    apart = np.zeros((1, 4 * size))
    apart[0, [at, size + at, 2 * size + at, 3 * size + at]] = (1, -1, -1, 1)
    rows = np.vstack(
        [
            np.hstack([part.matrix, -part.matrix, nothing, nothing]),
            np.hstack([nothing, nothing, part.matrix, -part.matrix]),
            apart,
        ]
    )
    up = np.minimum(part.high - true, FAR)
    down = true - part.low
    right = np.zeros(2 * equations + 1)
    outcome: Any = milp(
        np.tile(price + 1e-7, 4),
        bounds=Bounds(0, np.concatenate([up, down, up, down])),
        constraints=LinearConstraint(rows, np.append(right[:-1], need), np.append(right[:-1], np.inf)),
    )
    found: Numbers | None = outcome.x
    return found


def _tidied(
    problem: Problem, chosen: set[int], given: set[int], need: Numbers, cost: Numbers, lost: Collection[int]
) -> set[int]:
    """What is left when cells that were hidden in vain are shown again, the dearest first."""
    left = set(chosen)
    told = problem.hiding(left, need)
    for part in parts(told):
        added = [int(each) for each in part.cells if int(each) in left and int(each) not in given]
        if len(added) < 2 or len(part.cells) > TIDY:
            continue  # the only one that was added is not there in vain
        for cell in sorted(added, key=lambda each: (-cost[each], each)):
            without = left - {cell}
            among = {int(each) for each in part.cells if int(each) in without}
            # Where some cells are lost anyway, all that are unsafe must be known to be no more than those.
            if set(unsafe(problem.hiding(without, need), among, one=not lost)) <= set(lost):
                left = without
    return left
