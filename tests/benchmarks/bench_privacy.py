"""Disclosure control: `./cityperf bench privacy`. Generated tables of persons: suppressed, attacked, how much is hidden."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
from cityperf.config import ROOT
from cityperf.privacy.judge import judge
from cityperf.privacy.problem import Relation, total_of
from cityperf.privacy.suppress import cost_of
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_array

if TYPE_CHECKING:
    from tests.disclosure import Cell, Shape

sys.path.insert(0, str(ROOT))
KEY = b"k" * 32


def naive(shape: Shape) -> frozenset[Cell]:
    """Every count that stands in a sum with a small one, and the small ones: safe by eye, and far too much."""
    small = {cell for cell, count in shape.counts.items() if 0 < count < shape.threshold}
    found = set(small)
    sums = [{total, *parts} for total, parts in shape.adds_up] + [set(cells) for cells, _ in shape.elsewhere]
    for cells in sums:
        if small & cells:
            found |= {cell for cell in cells if shape.counts[cell] > 0}
    return frozenset(found)


def optimum(shape: Shape, seconds: float) -> frozenset[Cell] | None:
    """The cheapest suppression in which every hidden cell spans its need, by one integer programme; None where that takes
    too long. Only for shapes whose sums are all of the form total = parts.
    """
    cells = sorted(shape.counts)
    at = {cell: number for number, cell in enumerate(cells)}
    values = np.array([shape.counts[cell] for cell in cells], float)
    sums: list[Relation] = [total_of(at[t], [at[p] for p in parts]) for t, parts in shape.adds_up]
    size, far, usable = len(cells), 2.0 * shape.threshold, np.flatnonzero(values > 0)
    width = size + 2 * len(usable) * size
    told = lil_array((2 * len(usable) * (len(sums) + 2 * size) + len(usable), width))
    low, high = [], []

    def say(terms: list[tuple[int, float]], least: float, most: float) -> None:
        for column, factor in terms:
            told[len(low), column] = factor
        low.append(least)
        high.append(most)

    for number, cell in enumerate(usable):
        for side in (0, 1):  # two tables for each cell: in one it is larger, in the other smaller
            start = size + (2 * number + side) * size
            for each in sums:
                say([(start + c, f) for c, f in zip(each.cells, each.coefficients, strict=True)], 0, 0)
            for other in range(size):
                say([(start + other, 1), (other, -far)], -np.inf, 0)
                say([(start + other, 1), (other, min(values[other], far))], 0, np.inf)
        first = size + 2 * number * size
        say([(first + cell, 1), (first + size + cell, -1), (cell, -shape.threshold)], 0, np.inf)
    small = (values > 0) & (values < shape.threshold)
    least = np.concatenate([small, np.full(width - size, -far)])
    most = np.concatenate([values > 0, np.full(width - size, far)])
    cost = np.zeros(width)
    cost[:size] = [
        cost_of(value, total=cell in shape.totals) for cell, value in zip(cells, values, strict=True)
    ]
    outcome = milp(
        cost,
        integrality=np.arange(width) < size,
        bounds=Bounds(least, most),
        constraints=LinearConstraint(told[: len(low)].tocsr(), low, high),
        options={"time_limit": seconds},
    )
    if outcome.x is None or outcome.status != 0:
        return None
    return frozenset(cell for cell in cells if outcome.x[at[cell]] > 0.5)


def second_opinion(count: int, seed: int) -> str:
    """How many cells Tau-Argus hides of the same tables, where pytauargus is installed."""
    try:
        from tests.tau_argus import TauArgus
    except ImportError:
        return "no second opinion: pytauargus is not installed"
    from tests.disclosure import crossed

    random, found = np.random.default_rng(seed), Counter[str]()
    while found["tables"] < count:
        shape = crossed(random, [int(size) for size in random.integers(2, 7, 2)])
        theirs = TauArgus(shape)
        judged = judge(shape.told, shape.rows, KEY)
        ours = {cell for cell, each in judged.items() if each.reason is not None}
        small = {cell for cell, each in judged.items() if each.reason == "primary"}
        found.update(tables=1, same=small == theirs.primary, ours=len(ours), theirs=len(theirs.hidden))
    return (
        f"{found['tables']} tables with Tau-Argus: the same small cells in {found['same']}, hidden in all {found['ours']:,} "
        f"by us and {found['theirs']:,} by it"
    )


def main() -> None:
    from tests.disclosure import KINDS, broken, shapes

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1_400)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--optimum", type=int, default=60, help="small tables to compare with the optimum")
    parser.add_argument("--seconds", type=float, default=20, help="longest that one optimum may take")
    parser.add_argument("--second-opinion", type=int, default=50, help="tables that Tau-Argus looks at too")
    chosen = parser.parse_args()
    judging = attacking = 0.0
    wrong: Counter[str] = Counter()
    cells: defaultdict[str, Counter[str]] = defaultdict(Counter)
    best: Counter[str] = Counter()
    for shape in shapes(chosen.seed, chosen.tables):
        begin = time.perf_counter()
        judged = judge(shape.told, shape.rows, KEY)
        judging += time.perf_counter() - begin
        hidden = frozenset(cell for cell, each in judged.items() if each.reason is not None)
        begin = time.perf_counter()
        problems = broken(shape, hidden)
        attacking += time.perf_counter() - begin
        wrong[shape.kind] += bool(problems)
        for problem in problems:
            print(f"NOT SAFE: {shape.kind}: {problem}")
        small = {cell for cell, count in shape.counts.items() if 0 < count < shape.threshold}
        others = len(shape.counts) - len(small)
        cells[shape.kind].update(tables=1, cells=len(shape.counts), small=len(small), others=others)
        cells[shape.kind].update(more=len(hidden - small), naive=len(naive(shape) - small))
        if best["tables"] < chosen.optimum and small and shape.adds_up and not shape.within and others < 24:
            found = optimum(shape, chosen.seconds)
            if found is not None and not broken(shape, found):
                best.update(tables=1, others=others, ours=len(hidden - small), optimum=len(found - small))
    print(f"{chosen.tables:,} tables: {sum(wrong.values())} not safe")
    print(f"suppressed in {judging:.1f} s, attacked in {attacking:.1f} s")
    for kind in KINDS:
        c = cells[kind]
        print(
            f"  {kind:<15} {c['tables']:>5,} tables, {c['cells']:>7,} cells, {c['small']:>6,} small; of the others "
            f"{c['more'] / max(c['others'], 1):.1%} hidden, by the naive rule {c['naive'] / max(c['others'], 1):.1%}"
        )
    total = sum(cells.values(), Counter())
    print(
        f"all: of {total['others']:,} counts that are not small {total['more'] / total['others']:.1%} are hidden, by "
        f"the naive rule {total['naive'] / total['others']:.1%}"
    )
    if best["tables"]:
        print(
            f"{best['tables']} small tables against the optimum: {best['ours']} hidden for {best['optimum']} "
            f"({best['ours'] / best['others']:.1%} against {best['optimum'] / best['others']:.1%})"
        )
    print(second_opinion(chosen.second_opinion, chosen.seed))


if __name__ == "__main__":
    main()
