"""Maps of wards and neighbourhoods: equal tiles for wards, boundaries where an area's shape is known.

Number and value are printed on the tiles, so that no reader needs the colour. Five classes; `cuts` takes figures of a
whole year, so that a colour means the same all year.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from markupsafe import Markup, escape

from cityperf.site.charts import svg
from cityperf.site.charts.svg import NARROW, WIDE, axis_number, label, n
from cityperf.site.words import Lang, figure, text

# The 25 wards roughly as they lie, rows from the north.
TILES: Final = (
    ("01", "07", "06", "18", "17", "22", "23", "25"),
    ("02", "05", "08", "15", "16", "21", "24"),
    ("03", "04", "09", "12", "14", "19", "20"),
    ("", "", "10", "11", "13"),
)
# The city with a little room round it, in degrees: one projection for every map of it.
WEST, EAST, SOUTH, NORTH = -79.645, -79.105, 43.575, 43.862
_SHRINK: Final = math.cos(math.radians((SOUTH + NORTH) / 2))
_TOLERANCE: Final = 0.6  # units of the drawing by which a simplified boundary may be off

Ring = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Area:
    """One area with its figure (None: none, or hidden). `shape` is what `shape` makes of its boundary; `is_marked`
    outlines it (an improvement area, or the area that the page is about)."""

    code: str
    name: str
    value: float | None
    shape: Mapping[str, Sequence[Any]] | None = None
    is_marked: bool = False


@dataclass(frozen=True)
class Map:
    """Areas of one kind, the four inner ends of the five classes, and how figures are written."""

    areas: tuple[Area, ...]
    cuts: tuple[float, ...]
    unit: str
    decimals: int


def cuts(values: Iterable[float], decimals: int, unit: str) -> tuple[float, ...]:
    """Inner ends of five classes of equal width over `values`, as round as figures are shown; fewer where figures lie
    too close together for five. Empty for fewer than two different figures."""
    found = sorted(set(values))
    if len(found) < 2:
        return ()
    low, high = found[0], found[-1]
    places = decimals + (2 if unit == "percent" else 0)
    unit_place = Decimal(1).scaleb(-places)
    ends = {
        float(Decimal(str(low + (high - low) * part / 5)).quantize(unit_place, ROUND_HALF_UP))
        for part in range(1, 5)
    }
    return tuple(sorted(end for end in ends if low < end <= high))


def class_of(value: float | None, ends: Sequence[float]) -> str:
    """`map-1` to `map-5`, or `map-n` for a missing figure; with fewer classes than five they are spread over the
    colours."""
    if value is None:
        return "map-n"
    place = sum(value >= end for end in ends)
    return f"map-{1 + round(place * 4 / len(ends)) if ends else 3}"


def legend(chart: Map, lang: Lang) -> Markup:
    """The classes as a list with a swatch each; the words of a missing figure only where there is one."""
    shown = [axis_number(end, chart.unit, chart.decimals, lang) for end in chart.cuts]
    rows = []
    if shown:
        rows.append((class_of(-math.inf, chart.cuts), text("chart.class_under", lang, high=shown[0])))
        for index in range(len(shown) - 1):
            said = text("chart.class_between", lang, low=shown[index], high=shown[index + 1])
            rows.append((class_of(chart.cuts[index], chart.cuts), said))
        rows.append((class_of(math.inf, chart.cuts), text("chart.class_over", lang, low=shown[-1])))
    if any(area.value is None for area in chart.areas):
        rows.append(("map-n", text("chart.class_missing", lang)))
    drawn = "".join(
        '<li><svg class="swatch" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 18 14" aria-hidden="true">'
        f'<rect class="{kind}" x=".5" y=".5" width="17" height="13" rx="2"/></svg> {escape(said)}</li>'
        for kind, said in rows
    )
    return Markup(f'<ul class="legend">{drawn}</ul>')  # noqa: S704 - every text in it was escaped


def tiles(chart: Map, lang: Lang, prefix: str, title: str, description: str) -> Markup:
    """The wards as equal tiles, in both drawings. A ward without a row is drawn as missing."""
    areas = {area.code: area for area in chart.areas}
    drawn = []
    for kind, width, height in (("wide", WIDE, 84), ("narrow", NARROW, 50)):
        side = width / 8
        parts = [_hatch(f"{prefix}-{kind}-h")]
        for row, codes in enumerate(TILES):
            for column, code in enumerate(codes):
                if code:
                    area = areas.get(code, Area(code, code, None))
                    parts.append(
                        _tile(
                            chart,
                            area,
                            column * side,
                            row * (height + 4),
                            side - 4,
                            height,
                            lang,
                            prefix,
                            kind,
                        )
                    )
        content = "".join(parts)
        drawn.append(svg.drawing(width, len(TILES) * (height + 4), prefix, title, description, content, kind))
    return svg.figure(*drawn)


def _tile(
    chart: Map,
    area: Area,
    x: float,
    y: float,
    width: float,
    height: float,
    lang: Lang,
    prefix: str,
    kind: str,
) -> str:
    name = class_of(area.value, chart.cuts)
    tone = "on-high" if name in ("map-4", "map-5") else "on-low"
    shown = text("missing", lang)
    if area.value is not None:
        shown = axis_number(area.value, chart.unit, chart.decimals, lang)
        if kind == "narrow" and len(shown) > 5:
            shown = axis_number(area.value, chart.unit, 0, lang)
    x, y, width, height = x + 2, y + 2, width, height - 2
    place = f'x="{n(x)}" y="{n(y)}" width="{n(width)}" height="{n(height)}" rx="5"'
    marked = " is-marked" if area.is_marked else ""
    parts = [f'<rect class="{name}{marked}" {place}/>']
    if area.value is None:
        parts.append(f'<rect fill="url(#{prefix}-{kind}-h)" {place}/>')
    parts.append(label(x + 6, y + 16, area.code.lstrip("0"), kind=tone))
    parts.append(
        label(x + width / 2, y + height - (height - 30) / 2, shown, anchor="middle", kind=f"value {tone}")
    )
    said = text(
        "chart.place_value", lang, place=area.name, value=figure(area.value, chart.unit, chart.decimals, lang)
    )
    return "".join([*parts, svg.hit(x, y, width, height, said)])


def locator(code: str, prefix: str, title: str, description: str) -> Markup:
    """The wards as tiles with their numbers only, one of them filled: where a ward lies."""
    side = NARROW / 8
    parts = []
    for row, codes in enumerate(TILES):
        for column, each in enumerate(codes):
            if each:
                x, y, here = column * side + 1, row * 40 + 1, each == code
                place = f'x="{n(x)}" y="{n(y)}" width="{n(side - 3)}" height="36" rx="4"'
                parts.append(f'<rect class="{"map-5" if here else "map-1"}" {place}/>')
                tone = "on-high" if here else "on-low"
                parts.append(
                    label(x + side / 2 - 1.5, y + 22.5, each.lstrip("0"), anchor="middle", kind=tone)
                )
    return svg.figure(svg.drawing(NARROW, 160, prefix, title, description, "".join(parts), "narrow"))


def outlines(areas: tuple[Area, ...], lang: Lang, prefix: str, title: str, description: str) -> Markup:
    """Areas without figures, the marked ones filled and outlined. Empty where no area has a shape."""
    plain = tuple(replace(area, value=1.0 if area.is_marked else 0.0) for area in areas)
    return boundaries(Map(plain, (0.5,), "number", 0), lang, prefix, title, description, figures=False)


def _hatch(name: str) -> str:
    return (
        f'<defs><pattern id="{name}" width="8" height="8" patternUnits="userSpaceOnUse">'
        '<path class="hatch" d="M-2 10 10-2M-2 2 2-2M6 10 10 6"/></pattern></defs>'
    )


@lru_cache(maxsize=1024)
def shape(boundary: str) -> Mapping[str, Sequence[Any]] | None:
    """A boundary (GeoJSON geometry in degrees) as both drawings have it: drawing → path, x and y of its middle. None where
    nothing is left to draw. Drawn once in a build: of an area's shape only the class differs from page to page."""
    found: dict[str, Sequence[Any]] = {}
    for kind, width in (("wide", WIDE), ("narrow", NARROW)):
        scale = width / ((EAST - WEST) * _SHRINK)
        rings = [
            _simplified([_projected(point, scale) for point in ring]) for ring in _rings(json.loads(boundary))
        ]
        rings = [ring for ring in rings if len(ring) > 3]  # the last corner of a ring is its first
        if rings:
            x, y = _middle(max(rings, key=len))
            path = "".join(f"M{'L'.join(f'{n(x)} {n(y)}' for x, y in ring[:-1])}z" for ring in rings)
            found[kind] = (path, round(x, 1), round(y, 1))
    return found or None


def ground(shapes: Iterable[Mapping[str, Sequence[Any]]]) -> str:
    """All areas as one path of the narrow drawing: what lies round the one that a page is about."""
    return "".join(each["narrow"][0] for each in shapes if "narrow" in each)


def locator_of(
    own: Mapping[str, Sequence[Any]], ground: str, prefix: str, title: str, description: str
) -> Markup:
    """Where an area lies among the others, which are one path: it is filled and outlined."""
    parts = f'<path class="ground map-1" d="{ground}"/><path class="map-5 is-marked" d="{own["narrow"][0]}"/>'
    return svg.figure(svg.drawing(NARROW, _height(NARROW), prefix, title, description, parts, "narrow"))


def _height(width: int) -> float:
    return (NORTH - SOUTH) * width / ((EAST - WEST) * _SHRINK)


def boundaries(
    chart: Map, lang: Lang, prefix: str, title: str, description: str, *, figures: bool = True
) -> Markup:
    """The areas with a shape, in one projection of the city, simplified; marked ones have an outline and in the wide
    drawing their number. Empty where no area has a shape."""
    if not any(area.shape for area in chart.areas):
        return Markup("")
    drawn = []
    for kind, width in (("wide", WIDE), ("narrow", NARROW)):
        parts, over = [_hatch(f"{prefix}-{kind}-h")], []
        for area in sorted(
            chart.areas, key=lambda each: each.value is None
        ):  # the edge of a missing one over others
            if not area.shape or kind not in area.shape:
                continue
            path, x, y = area.shape[kind]
            value = figure(area.value, chart.unit, chart.decimals, lang)
            said = text("chart.place_value", lang, place=area.name, value=value) if figures else area.name
            fill = f' fill="url(#{prefix}-{kind}-h)"' if area.value is None else ""
            name = "area missing" if area.value is None else f"area {class_of(area.value, chart.cuts)}"
            parts.append(f'<path class="{name}"{fill} d="{path}"><title>{escape(said)}</title></path>')
            if area.is_marked:
                over.append(f'<path class="outline" d="{path}"/>')
                if kind == "wide":
                    tone = "on-high" if class_of(area.value, chart.cuts) in ("map-4", "map-5") else "on-low"
                    over.append(
                        label(x, y + 4.5, area.code.lstrip("0"), anchor="middle", kind=f"{tone} over")
                    )
        content = "".join([*parts, *over])
        drawn.append(svg.drawing(width, _height(width), prefix, title, description, content, kind))
    return svg.figure(*drawn)


def _projected(point: Sequence[float], scale: float) -> tuple[float, float]:
    """Equirectangular with the city's middle latitude: over 30 km the difference to a conformal map is below a unit."""
    return (point[0] - WEST) * _SHRINK * scale, (NORTH - point[1]) * scale


def _rings(shape: Mapping[str, Any] | None) -> list[list[list[float]]]:
    """The rings of a Polygon or a MultiPolygon; none of anything else."""
    if not shape:
        return []
    if shape["type"] == "Polygon":
        return list(shape["coordinates"])
    return [ring for part in shape["coordinates"] for ring in part] if shape["type"] == "MultiPolygon" else []


def _simplified(ring: Ring) -> list[tuple[float, float]]:
    """Douglas and Peucker 1973: points that lie within the tolerance of the line between kept ones are left out."""
    if len(ring) < 5:
        return list(ring)
    kept = {0, len(ring) - 1}
    # A ring begins where it ends, so it is cut at the point farthest from its beginning.
    far = max(range(len(ring)), key=lambda index: math.dist(ring[0], ring[index]))
    kept.add(far)
    waiting = [(0, far), (far, len(ring) - 1)]
    while waiting:
        start, end = waiting.pop()
        if end - start < 2:
            continue
        index = max(range(start + 1, end), key=lambda each: _distance(ring[each], ring[start], ring[end]))
        if _distance(ring[index], ring[start], ring[end]) > _TOLERANCE:
            kept.add(index)
            waiting += [(start, index), (index, end)]
    return [ring[index] for index in sorted(kept)]


def _distance(point: tuple[float, float], start: tuple[float, float], end: tuple[float, float]) -> float:
    length = math.dist(start, end)
    if length == 0:
        return math.dist(point, start)
    (x, y), (x1, y1), (x2, y2) = point, start, end
    return abs((x2 - x1) * (y1 - y) - (x1 - x) * (y2 - y1)) / length


def _middle(ring: Ring) -> tuple[float, float]:
    """Centre of gravity of the ring's area; of its corners where it has none."""
    twice = x = y = 0.0
    for (x1, y1), (x2, y2) in pairwise(ring):
        cross = x1 * y2 - x2 * y1
        twice, x, y = twice + cross, x + (x1 + x2) * cross, y + (y1 + y2) * cross
    if abs(twice) < 1e-9:
        return sum(x for x, _ in ring) / len(ring), sum(y for _, y in ring) / len(ring)
    return x / (3 * twice), y / (3 * twice)
