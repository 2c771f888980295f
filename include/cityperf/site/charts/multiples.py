"""Small multiples: one panel per area on one scale with one target, each with its own limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from cityperf.site.charts import svg
from cityperf.site.charts.marks import mark
from cityperf.site.charts.svg import GLYPH, Scale, axis_number, label, n, tick_decimals, ticks
from cityperf.site.sentences import state_group
from cityperf.site.words import Lang

WIDTH: Final = 260
HEIGHT: Final = 150


@dataclass(frozen=True)
class Panel:
    """One area: figures (None where a period has none), kinds of points, mean and limits of the latest phase, and the
    words under its name."""

    name: str
    said: str
    values: tuple[float | None, ...]
    kinds: tuple[str, ...] = ()
    mean: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Multiples:
    """Panels over the same periods; `years` are (place among the periods, name) of the ticks below."""

    panels: tuple[Panel, ...]
    unit: str
    decimals: int
    years: tuple[tuple[int, str], ...] = ()
    target: float | None = None


def draw(chart: Multiples, lang: Lang, prefix: str) -> Markup:
    """The panels as a list, each with its name as text above its drawing. Empty without a figure."""
    edges = [
        edge
        for panel in chart.panels
        for edge in (*panel.values, panel.lower, panel.upper, chart.target)
        if edge is not None
    ]
    if not edges:
        return Markup("")
    axis = ticks(min(edges), max(edges), 4)
    drawn = "".join(
        _panel(chart, panel, axis, lang, f"{prefix}-{index}") for index, panel in enumerate(chart.panels)
    )
    return Markup(f'<ul class="multiples">{drawn}</ul>')  # noqa: S704 - every text in it was escaped


def _panel(chart: Multiples, panel: Panel, axis: list[float], lang: Lang, prefix: str) -> str:
    decimals = tick_decimals(axis, chart.unit)
    names = [axis_number(value, chart.unit, decimals, lang) for value in axis]
    left = 10 + GLYPH * max(map(len, names))
    y = Scale((axis[0], axis[-1]), (HEIGHT - 26, 10))
    x = Scale((0, max(len(panel.values) - 1, 1)), (left + 6, WIDTH - 8))
    drawn = [
        label(left - 4, y(value) + 4.5, name, anchor="end") for value, name in zip(axis, names, strict=True)
    ]
    if panel.lower is not None and panel.upper is not None:
        height = y(panel.lower) - y(panel.upper)
        place = (
            f'x="{n(left)}" y="{n(y(panel.upper))}" width="{n(WIDTH - left)}" height="{n(max(height, 1))}"'
        )
        drawn.append(f'<rect class="s-band" {place}/>')
        drawn += [svg.line(left, y(edge), WIDTH, y(edge), "c-limit") for edge in (panel.lower, panel.upper)]
    if panel.mean is not None:
        drawn.append(svg.line(left, y(panel.mean), WIDTH, y(panel.mean), "c-mean"))
    if chart.target is not None:
        drawn.append(f'<path class="s-target" d="M{n(left)} {n(y(chart.target))}H{WIDTH}"/>')
    path, pen = [], "M"
    for index, value in enumerate(panel.values):
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{n(x(index))} {n(y(value))}")
        pen = "L"
    drawn.append(f'<path class="s-line" d="{"".join(path)}"/>')
    for index, value in enumerate(panel.values):
        if value is not None:
            group = state_group(panel.kinds[index]) if index < len(panel.kinds) else "common_cause"
            is_signal = group in ("improvement", "concern", "changed")
            drawn.append(
                mark(group if is_signal else "common_cause", x(index), y(value), 4.4 if is_signal else 2.6)
            )
    drawn += [label(x(index), HEIGHT - 6, name, anchor="middle") for index, name in chart.years]
    title = f"{panel.name}: {panel.said}" if lang == "en" else f"{panel.name}\u00a0: {panel.said}"
    return (
        f"<li><strong>{escape(panel.name)}</strong> <span>{escape(panel.said)}</span>"
        + svg.drawing(WIDTH, HEIGHT, prefix, panel.name, title, "".join(drawn), "panel")
        + "</li>"
    )
