"""How figures were revised: the first published hollow, the latest filled, the change printed beside each line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cityperf.site.charts import svg
from cityperf.site.charts.svg import GLYPH, NARROW, WIDE, Scale, axis_number, label, n, tick_decimals, ticks
from cityperf.site.words import Lang, number, text

_ROW: Final = 34


@dataclass(frozen=True)
class Revision:
    """One period (its name in the page's language), its first published and its latest figure."""

    label: str
    first: float
    latest: float


@dataclass(frozen=True)
class Revisions:
    """The periods, in the order in which they are drawn."""

    rows: tuple[Revision, ...]
    unit: str
    decimals: int


def draw(chart: Revisions, lang: Lang, prefix: str, title: str, description: str) -> Markup:
    """Both drawings. Empty without rows."""
    if not chart.rows:
        return Markup("")
    return svg.figure(
        *(_drawing(chart, lang, prefix, title, description, kind) for kind in ("wide", "narrow"))
    )


def _drawing(chart: Revisions, lang: Lang, prefix: str, title: str, description: str, kind: str) -> str:
    width = WIDE if kind == "wide" else NARROW
    shown = [_said(row, chart, lang, wide=kind == "wide") for row in chart.rows]
    left = 14 + GLYPH * max(len(row.label) for row in chart.rows)
    right = 14 + GLYPH * max(map(len, shown))
    values = [value for row in chart.rows for value in (row.first, row.latest)]
    axis = ticks(min(values), max(values), 5 if kind == "wide" else 3)
    decimals = tick_decimals(axis, chart.unit)
    x = Scale((axis[0], axis[-1]), (left + 8, width - right - 8))
    bottom = _ROW * len(chart.rows) + 6
    drawn = [svg.line(x(value), 4, x(value), bottom, "c-grid") for value in axis]
    for value in (axis[0], axis[-1]) if kind == "narrow" else axis:
        drawn.append(
            label(x(value), bottom + 18, axis_number(value, chart.unit, decimals, lang), anchor="middle")
        )
    for index, (row, said) in enumerate(zip(chart.rows, shown, strict=True)):
        y = _ROW * index + _ROW / 2
        drawn += [
            label(0, y + 4.5, row.label),
            svg.line(x(row.first), y, x(row.latest), y, "r-line"),
            f'<circle class="r-first" cx="{n(x(row.first))}" cy="{n(y)}" r="5"/>',
            f'<circle class="r-latest" cx="{n(x(row.latest))}" cy="{n(y)}" r="4.5"/>',
            label(width, y + 4.5, said, anchor="end"),
        ]
    return svg.drawing(width, bottom + 26, prefix, title, description, "".join(drawn), kind)


def _said(row: Revision, chart: Revisions, lang: Lang, *, wide: bool) -> str:
    moved = (row.latest - row.first) * (100 if chart.unit == "percent" else 1)
    change = axis_number(moved, "number", chart.decimals, lang) if abs(moved) >= 1e6 else ""
    change = change or number(moved, chart.decimals, lang, signed=True)
    if not wide:
        return change
    first, latest = (
        axis_number(value, chart.unit, chart.decimals, lang) for value in (row.first, row.latest)
    )
    return text("chart.revised", lang, first=first, latest=latest, change=change)
