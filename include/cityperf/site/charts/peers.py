"""Peers on one axis: a hollow dot per municipality, the middle half as a band, the median as a tick, the city filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cityperf.site.charts import svg
from cityperf.site.charts.svg import GLYPH, NARROW, WIDE, Scale, axis_number, label, n, tick_decimals, ticks
from cityperf.site.words import Lang, figure, text

_RADIUS: Final = 6.0
_LANE: Final = 14.0


@dataclass(frozen=True)
class Peer:
    """One municipality that reports the measure."""

    name: str
    value: float
    is_city: bool = False


@dataclass(frozen=True)
class Strip:
    """A measure in one year: quartiles are those of the mart (type 7), direction is that of the measure."""

    peers: tuple[Peer, ...]
    unit: str
    decimals: int
    direction: str
    first_quartile: float | None = None
    median: float | None = None
    third_quartile: float | None = None


def draw(strip: Strip, lang: Lang, prefix: str, title: str, description: str) -> Markup:
    """Both drawings. Empty without peers."""
    if not strip.peers:
        return Markup("")
    return svg.figure(
        *(_drawing(strip, lang, prefix, title, description, kind) for kind in ("wide", "narrow"))
    )


def _drawing(strip: Strip, lang: Lang, prefix: str, title: str, description: str, kind: str) -> str:
    width = WIDE if kind == "wide" else NARROW
    values = [peer.value for peer in strip.peers]
    axis = ticks(min(values), max(values), 6 if kind == "wide" else 4)
    x = Scale((axis[0], axis[-1]), (28, width - 28))
    lanes = _lanes([x(value) for value in values])
    room = _LANE * max(lanes)
    top = 52.0
    middle = top + room + _RADIUS + 6
    bottom = middle + _RADIUS + 12
    decimals = tick_decimals(axis, strip.unit)
    drawn = []
    if strip.first_quartile is not None and strip.third_quartile is not None:
        left, right = x(strip.first_quartile), x(strip.third_quartile)
        place = f'x="{n(left)}" y="{n(top)}" width="{n(right - left)}" height="{n(bottom - top)}"'
        drawn.append(f'<rect class="s-band" {place}/>')
    drawn.append(svg.line(28, bottom, width - 28, bottom, "c-axis"))
    for value in axis:
        shown = axis_number(value, strip.unit, decimals, lang)
        drawn.append(label(x(value), bottom + 20, shown, anchor="middle"))
    if strip.median is not None:
        drawn.append(svg.line(x(strip.median), top - 8, x(strip.median), bottom, "p-median"))
        drawn.append(_named(x(strip.median), 38, "chart.median_is", strip.median, strip, lang, width))
    for peer, lane in sorted(zip(strip.peers, lanes, strict=True), key=lambda pair: pair[0].is_city):
        at, height = x(peer.value), middle - lane * _LANE
        if peer.is_city:
            drawn.append(svg.line(at, 22, at, height, "p-stem"))
            drawn.append(_named(at, 16, "chart.city_is", peer.value, strip, lang, width))
        said = text(
            "chart.place_value",
            lang,
            place=peer.name,
            value=figure(peer.value, strip.unit, strip.decimals, lang),
        )
        name = "p-city" if peer.is_city else "p-peer"
        drawn.append(f'<circle class="{name}" cx="{n(at)}" cy="{n(height)}" r="{n(_RADIUS)}"/>')
        drawn.append(svg.hit(at - 7, height - 7, 14, 14, said))
    if strip.direction in ("up", "down"):
        right = strip.direction == "up"
        better = text("chart.better_right" if right else "chart.better_left", lang)
        drawn.append(
            label(width - 28 if right else 28, bottom + 40, better, anchor="end" if right else "start")
        )
    return svg.drawing(width, bottom + 48, prefix, title, description, "".join(drawn), kind)


def _named(x: float, y: float, key: str, value: float, strip: Strip, lang: Lang, width: int) -> str:
    said = text(key, lang, value=axis_number(value, strip.unit, strip.decimals, lang))
    half = len(said) * GLYPH / 2
    return label(min(max(x, half + 2), width - half - 2), y, said, anchor="middle", kind="strong")


def _lanes(places: list[float]) -> list[int]:
    """The lowest lane in which each dot touches no other, from the left."""
    ends: list[float] = []
    found = [0] * len(places)
    for index in sorted(range(len(places)), key=lambda each: places[each]):
        free = (lane for lane, end in enumerate(ends) if places[index] - end >= _LANE)
        lane = next(free, len(ends))
        if lane == len(ends):
            ends.append(0.0)
        ends[lane] = places[index]
        found[index] = lane
    return found
