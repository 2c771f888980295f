"""Geographies that cover the same city: what one of them shows, the others can be subtracted from.

The city is the sum of its wards, and of the neighbourhoods of either model; a neighbourhood of the 140 that was split in
2022 is the sum of those of the 158 that it became.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

from cityperf.config import ROOT
from cityperf.privacy.problem import Relation, total_of

SEED: Final = ROOT / "dbt_project" / "seeds" / "neighbourhood_140_to_158.csv"
COVERS: Final = ("ward", "neighbourhood_140", "neighbourhood_158")


@cache
def splits() -> dict[str, tuple[str, ...]]:
    """Neighbourhoods of the 140, and what each became among the 158 (the same code where it was left alone)."""
    found: dict[str, list[str]] = defaultdict(list)
    with SEED.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            found[row["code_140"]].append(row["code_158"])
    return {old: tuple(new) for old, new in found.items()}


def complementary(
    areas: Iterable[tuple[str, str]], place_of: Callable[[tuple[str, str]], int]
) -> list[Relation]:
    """The sums among areas (type, code), each counting the same thing in the same period. An area that is missing is
    taken for a zero that nobody wrote down.
    """
    there = sorted(set(areas))
    found = []
    for city in (area for area in there if area[0] == "city"):
        for kind in COVERS:
            if inside := [area for area in there if area[0] == kind]:
                found.append(total_of(place_of(city), [place_of(area) for area in inside]))
    for old, new in splits().items():
        whole = ("neighbourhood_140", old)
        inside = [area for code in new if (area := ("neighbourhood_158", code)) in there]
        if whole in there and inside:
            found.append(total_of(place_of(whole), [place_of(area) for area in inside]))
    return found
