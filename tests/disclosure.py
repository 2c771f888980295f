"""Generated tables of persons, and an attacker on them who shares no code with `cityperf.privacy`.

The attacker knows the published counts, that the rest are whole numbers, which rows are sums of which, and what is part of
what. He solves an integer programme for the smallest and one for the largest count that each hidden cell can be.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cityperf.privacy.spec import Declared, Disclosure
from cityperf.privacy.tables import Row
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

ALL = "All"
KINDS = ("line", "two ways", "three ways", "levels", "areas", "shares", "sums elsewhere")
Cell = tuple[str, str]


@dataclass(frozen=True)
class Shape:
    """A table as published without suppression, and by itself what adds up to what: total ← parts."""

    kind: str
    told: Declared
    rows: tuple[Row, ...]
    adds_up: tuple[tuple[Cell, tuple[Cell, ...]], ...]
    within: tuple[tuple[Cell, Cell], ...] = ()  # part, whole
    elsewhere: tuple[tuple[tuple[Cell, ...], int], ...] = ()
    threshold: int = 11

    @property
    def counts(self) -> dict[Cell, int]:
        return {(row.key, m): int(c) for row in self.rows for m, c in row.counts.items() if c is not None}

    @property
    def totals(self) -> set[Cell]:
        return {total for total, _ in self.adds_up}


def declare(key: Sequence[str], totals: Mapping[str, str], **more: Any) -> Declared:
    """What a model of such a table would declare."""
    rules = {"class": "person_level", "from": "made_up", "totals": dict(totals), **more}
    rules.setdefault("measures", {"persons": {}})
    return Declared("made_up", tuple(key), (), Disclosure.model_validate(rules))


def key(**place: Any) -> str:
    return json.dumps(place)


def _counts(random: np.random.Generator, size: int) -> list[int]:
    """Many small, some large, some none, some alike."""
    spread = random.choice([0.01, 0.03, 0.1])
    counts = random.negative_binomial(random.choice([1, 2]), spread, size)
    counts[random.random(size) < random.choice([0, 0.1, 0.4])] = 0
    if random.random() < 0.2:
        counts[:] = random.integers(1, 25)
    return [int(count) for count in counts]


def crossed(random: np.random.Generator, sizes: Sequence[int], kind: str = "two ways") -> Shape:
    """Every combination of the categories, and all totals over them."""
    names = [f"d{number}" for number in range(len(sizes))]
    levels = [[f"c{number:02d}" for number in range(size)] for size in sizes]
    inner = dict(zip(itertools.product(*levels), _counts(random, int(np.prod(sizes))), strict=True))
    if len(sizes) > 1 and random.random() < 0.2:  # a row in which nobody is
        inner = {place: 0 if place[0] == levels[0][-1] else count for place, count in inner.items()}
    counts: dict[tuple[str, ...], int] = {}
    for place, count in inner.items():
        for mask in itertools.product((False, True), repeat=len(sizes)):
            whole = tuple(ALL if hide else level for level, hide in zip(place, mask, strict=True))
            counts[whole] = counts.get(whole, 0) + count
    name = {place: key(**dict(zip(names, place, strict=True))) for place in counts}
    adds_up = []
    for place in counts:
        for at, level in enumerate(place):
            if level == ALL:
                parts = tuple((name[*place[:at], each, *place[at + 1 :]], "persons") for each in levels[at])
                adds_up.append(((name[place], "persons"), parts))
    rows = tuple(Row(name[place], {"persons": count}) for place, count in sorted(counts.items()))
    return Shape(kind, declare(names, dict.fromkeys(names, ALL)), rows, tuple(adds_up))


def _levels(random: np.random.Generator) -> Shape:
    """Units within divisions within the city, as registers publish them."""
    counts: dict[tuple[str, str], int] = {}
    adds_up = []
    divisions = [f"D{number}" for number in range(random.integers(1, 6))]
    for division in divisions:
        units = [f"U{number}" for number in range(random.integers(1, 7))]
        numbers = _counts(random, len(units))
        counts |= {(division, unit): count for unit, count in zip(units, numbers, strict=True)}
        counts[division, "All units"] = sum(numbers)
        adds_up.append(((division, "All units"), [(division, unit) for unit in units]))
    city = ("All divisions", "All units")
    counts[city] = sum(counts[division, "All units"] for division in divisions)
    adds_up.append((city, [(division, "All units") for division in divisions]))
    name = {place: key(division=place[0], unit=place[1]) for place in counts}
    told = declare(("division", "unit"), {"division": "All divisions", "unit": "All units"})
    return Shape(
        "levels",
        told,
        tuple(Row(name[place], {"persons": count}) for place, count in sorted(counts.items())),
        tuple(
            ((name[whole], "persons"), tuple((name[part], "persons") for part in parts))
            for whole, parts in adds_up
        ),
    )


# Woburn and L'Amoreaux were split in 2022: codes of the 140 and what they became.
SPLIT = {"137": ("141", "142"), "117": ("147", "148")}


def _areas(random: np.random.Generator) -> Shape:
    """A city by wards and by both models of neighbourhoods, two of which were split."""
    new = dict(zip(["001", "002", "141", "142", "147", "148"], _counts(random, 6), strict=True))
    old = {"001": new["001"], "002": new["002"]}
    old |= {code: sum(new[part] for part in parts) for code, parts in SPLIT.items()}
    total = sum(new.values())
    first, second = sorted(int(cut) for cut in random.integers(0, total + 1, 2))
    wards = {"01": first, "02": second - first, "03": total - second}
    counts = {("city", "toronto"): total}
    for kind, codes in (("ward", wards), ("neighbourhood_140", old), ("neighbourhood_158", new)):
        counts |= {(kind, code): count for code, count in codes.items()}
    name = {area: key(geography_type=area[0], geography_code=area[1]) for area in counts}

    def cells(kind: str, codes: Sequence[str]) -> tuple[Cell, ...]:
        return tuple((name[kind, code], "persons") for code in codes)

    city = (name["city", "toronto"], "persons")
    adds_up = [(city, cells("ward", list(wards))), (city, cells("neighbourhood_140", list(old)))]
    adds_up.append((city, cells("neighbourhood_158", list(new))))
    for code, became in {**SPLIT, "001": ("001",), "002": ("002",)}.items():
        adds_up.append((cells("neighbourhood_140", [code])[0], cells("neighbourhood_158", became)))
    told = declare(("geography_type", "geography_code"), {}, geography=("geography_type", "geography_code"))
    rows = tuple(Row(name[area], {"persons": count}) for area, count in sorted(counts.items()))
    return Shape("areas", told, rows, tuple(adds_up))


def _shares(random: np.random.Generator) -> Shape:
    """Two counts a row, one part of the other, so that a share is published wherever both are shown."""
    whole = crossed(random, (int(random.integers(1, 5)), int(random.integers(1, 4))), "shares")
    inner = {row.key: row for row in whole.rows if ALL not in row.place.values()}
    part = {k: int(random.binomial(row.counts["persons"] or 0, 0.6)) for k, row in inner.items()}
    for total, parts in sorted(
        whole.adds_up, key=lambda each: list(json.loads(each[0][0]).values()).count(ALL)
    ):
        part.setdefault(total[0], sum(part[cell[0]] for cell in parts))
    rows = tuple(
        Row(row.key, {"invited": row.counts["persons"], "came": part[row.key]}) for row in whole.rows
    )
    adds_up = tuple(
        ((total[0], measure), tuple((cell[0], measure) for cell in parts))
        for measure in ("invited", "came")
        for total, parts in whole.adds_up
    )
    told = declare(
        whole.told.key,
        whole.told.rules.totals,
        measures={"invited": {"derived": ["share"]}, "came": {"part_of": "invited", "derived": ["share"]}},
    )
    within = tuple(((row.key, "came"), (row.key, "invited")) for row in rows)
    return Shape("shares", told, rows, adds_up, within)


def _sums_elsewhere(random: np.random.Generator) -> Shape:
    """Rows without a total of their own, whose sum by group another table shows."""
    groups: dict[str, list[str]] = {}
    rows = []
    for number, count in enumerate(_counts(random, int(random.integers(2, 15)))):
        group = f"[{random.integers(1, 4)}]"
        rows.append(Row(key(wave=f"W{number:02d}"), {"persons": count}, (group,)))
        groups.setdefault(group, []).append(rows[-1].key)
    counts = {row.key: row.counts["persons"] or 0 for row in rows}
    shown = tuple(
        (tuple((each, "persons") for each in keys), total)
        for keys in groups.values()
        if (total := sum(counts[each] for each in keys)) >= 30
    )
    told = declare(("wave",), {}, published_elsewhere=[{"by": ["quarter"], "least": 30}])
    return Shape("sums elsewhere", told, tuple(rows), (), (), shown)


def shapes(seed: int, count: int) -> Iterator[Shape]:
    """`count` tables of all kinds, the same for the same seed."""
    random = np.random.default_rng(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        if kind == "line":
            yield crossed(random, [int(random.integers(1, 13))], kind)
        elif kind == "two ways":
            yield crossed(random, [int(size) for size in random.integers(1, 7, 2)], kind)
        elif kind == "three ways":
            yield crossed(random, [int(size) for size in random.integers(1, 4, 3)], kind)
        elif kind == "levels":
            yield _levels(random)
        elif kind == "areas":
            yield _areas(random)
        elif kind == "shares":
            yield _shares(random)
        else:
            yield _sums_elsewhere(random)


@dataclass
class Attacker:
    """Attacks one table; `hidden` are the cells that it does not show."""

    shape: Shape
    hidden: frozenset[Cell]
    seen: dict[Cell, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = self.shape.counts
        unknown = sorted(self.hidden)
        self._at = {cell: at for at, cell in enumerate(unknown)}
        entries: list[tuple[int, int, float]] = []
        low, high = [], []

        def say(terms: list[tuple[Cell, float]], at_least: float, at_most: float) -> None:
            known = sum(counts[cell] * factor for cell, factor in terms if cell not in self._at)
            mine = [(self._at[cell], factor) for cell, factor in terms if cell in self._at]
            if mine:
                entries.extend((len(low), at, factor) for at, factor in mine)
                low.append(at_least - known)
                high.append(at_most - known)

        for total, parts in self.shape.adds_up:
            say([(total, 1.0), *((part, -1.0) for part in parts)], 0, 0)
        for part, whole in self.shape.within:
            say([(whole, 1.0), (part, -1.0)], 0, np.inf)
        for cells, figure in self.shape.elsewhere:
            say([(cell, 1.0) for cell in cells], figure, figure)
        lines, columns, factors = zip(*entries, strict=True) if entries else ((), (), ())
        self._told = (
            LinearConstraint(
                coo_array((factors, (lines, columns)), (len(low), len(unknown))).tocsr(), low, high
            )
            if entries
            else None
        )

    def interval(self, cell: Cell) -> tuple[float, float]:
        """Smallest and largest count that the hidden cell may be."""
        aim = np.zeros(len(self._at))
        aim[self._at[cell]] = 1
        found = []
        for sign in (1, -1):
            outcome = milp(
                sign * aim,
                integrality=np.ones(len(aim)),
                bounds=Bounds(0, 100_000),
                constraints=self._told,
            )
            assert outcome.x is not None, outcome.message
            found.append(float(round(outcome.x[self._at[cell]])))
        return found[0], found[1]


def broken(shape: Shape, hidden: frozenset[Cell]) -> list[str]:
    """What is wrong with a suppression: small counts that are shown, hidden ones that can be told too closely."""
    found = [
        f"{cell} is small and shown"
        for cell, count in shape.counts.items()
        if 0 < count < shape.threshold and cell not in hidden
    ]
    attacker = Attacker(shape, hidden)
    for cell in sorted(hidden):
        low, high = attacker.interval(cell)
        if not low <= shape.counts[cell] <= high:
            found.append(f"{cell}: the attacker is wrong")
        if high - low < shape.threshold:
            found.append(f"{cell} lies within {low:.0f} and {high:.0f}")
    return found
