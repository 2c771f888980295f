"""Shapes of areas: the ground that is nearer to an area's middle than to any other's (Voronoi 1908), cut at a rough outline
of the city. Neighbours share their corners, so no two areas overlap and none leaves a gap; nothing is drawn by chance.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from cityperf.portal.sample.world import table

_STRETCH: Final = 0.723  # length of a degree of longitude beside one of latitude in Toronto
_SNAP: Final = 2e-5  # degrees (about two metres) within which corners are one
# A few corners of the city's edge, from the north-west round by the east: where it is, not what it looks like.
_CITY: Final = (
    (-79.640, 43.750), (-79.170, 43.856), (-79.113, 43.796), (-79.160, 43.745), (-79.250, 43.685), (-79.330, 43.645),
    (-79.400, 43.614), (-79.490, 43.600), (-79.546, 43.581), (-79.580, 43.640),
)  # fmt: skip

Corner = tuple[float, float]


@functools.cache
def shapes(name: str) -> tuple[dict[str, Any], ...]:
    """A GeoJSON polygon for each row of a table of places with `longitude` and `latitude`, in the table's order."""
    middles = [(float(row["longitude"]), float(row["latitude"])) for row in table(name)]
    known: dict[tuple[int, int], Corner] = {}
    found = []
    for own in middles:
        cell: list[Corner] = list(_CITY)
        for other in middles:
            if other != own:
                cell = _nearer(cell, own, other)
        corners = [_snapped(corner, known) for corner in cell]
        ring = [end for start, end in pairwise([corners[-1], *corners]) if start != end]
        found.append({"type": "Polygon", "coordinates": [[list(each) for each in [*ring, ring[0]]]]})
    return tuple(found)


def _nearer(cell: Sequence[Corner], own: Corner, other: Corner) -> list[Corner]:
    """The part of a cell that is nearer to `own` than to `other` (Sutherland and Hodgman 1974)."""
    along, up = (other[0] - own[0]) * _STRETCH**2, other[1] - own[1]
    middle = along * (own[0] + other[0]) / 2 + up * (own[1] + other[1]) / 2
    kept: list[Corner] = []
    for start, end in pairwise([cell[-1], *cell] if cell else []):
        before, after = (along * x + up * y - middle for x, y in (start, end))
        if (before > 0) != (after > 0):
            share = before / (before - after)
            kept.append((start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
        if after <= 0:
            kept.append(end)
    return kept


def _snapped(corner: Corner, known: dict[tuple[int, int], Corner]) -> Corner:
    """The corner as the first cell that has it writes it: two cells reckon it from other lines."""
    column, row = (round(each / _SNAP) for each in corner)
    near = ((column + x, row + y) for x in (-1, 0, 1) for y in (-1, 0, 1))
    there = next((known[each] for each in near if each in known), None)
    return there or known.setdefault((column, row), (round(corner[0], 5), round(corner[1], 5)))
