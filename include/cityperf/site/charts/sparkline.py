"""The small line of a tile: 256 by 60, band of the limits, dashed target, marks for the last twelve points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cityperf.site.charts.marks import mark
from cityperf.site.charts.svg import Scale, n
from cityperf.site.sentences import state_group

WIDTH: Final = 256
HEIGHT: Final = 60
MARKED: Final = 12
_ROOM: Final = 8  # for the last mark, which is larger


@dataclass(frozen=True)
class Sparkline:
    """Figures, oldest first, None where a period has none; kinds of points as the marts name them (empty where signals
    are not asked for); limits of the latest phase, and the target."""

    values: tuple[float | None, ...]
    kinds: tuple[str, ...] = ()
    lower: float | None = None
    upper: float | None = None
    target: float | None = None


def draw(line: Sparkline) -> Markup:
    """The line as `aria-hidden` SVG: what it says stands in the tile's words. Empty without two figures."""
    shown = [value for value in line.values if value is not None]
    if len(shown) < 2:
        return Markup("")
    edges = [*shown, *(edge for edge in (line.lower, line.upper, line.target) if edge is not None)]
    low, high = min(edges), max(edges)
    if high == low:
        low, high = low - 1, high + 1
    y = Scale((low, high), (HEIGHT - _ROOM, _ROOM))
    x = Scale((0, max(len(line.values) - 1, 1)), (_ROOM, WIDTH - _ROOM))
    parts = []
    if line.lower is not None and line.upper is not None:
        top, height = y(line.upper), y(line.lower) - y(line.upper)
        parts.append(
            f'<rect class="s-band" x="0" y="{n(top)}" width="{WIDTH}" height="{n(max(height, 1))}"/>'
        )
    if line.target is not None:
        parts.append(f'<path class="s-target" d="M0 {n(y(line.target))}H{WIDTH}"/>')
    parts.append(f'<path class="s-line" d="{_path(line.values, x, y)}"/>')
    last = max(index for index, value in enumerate(line.values) if value is not None)
    for index, value in enumerate(line.values):
        group = state_group(line.kinds[index]) if index < len(line.kinds) else "common_cause"
        is_signal = group in ("improvement", "concern", "changed")
        if value is not None and (index == last or (is_signal and index >= len(line.values) - MARKED)):
            group = "common_cause" if group == "not_assessed" else group
            radius = 5.6 if index == last else 3.4
            parts.append(mark(group, x(index), y(value), radius))
    return Markup(  # noqa: S704 - numbers and constants only
        f'<svg class="sparkline" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def _path(values: tuple[float | None, ...], x: Scale, y: Scale) -> str:
    """A line that breaks where a figure is missing."""
    drawn, pen = [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        drawn.append(f"{pen}{n(x(index))} {n(y(value))}")
        pen = "L"
    return "".join(drawn)
