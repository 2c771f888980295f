"""What all drawings share: escaping, coordinates, ticks, labels that keep their distance, the frame of a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from markupsafe import Markup, escape

from cityperf.site.words import Lang, Number, number, text

WIDE: Final = 800
NARROW: Final = 358
LINE: Final = 17  # least distance between the baselines of two labels, in units of the drawing
GLYPH: Final = 7.3  # width of a character of Inter at 13 px, on the safe side
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Scale:
    """A linear scale from `domain` (in the figure's unit) to `span` (in units of the drawing)."""

    domain: tuple[float, float]
    span: tuple[float, float]

    def __call__(self, value: float) -> float:
        low, high = self.domain
        start, end = self.span
        return start if high == low else start + (value - low) / (high - low) * (end - start)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart), at most about `most`, from at or below `low` to at or above
    `high`: the ends of the axis are among them."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return [0.0, 1.0]
    if high <= low:
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    raw = (high - low) / max(most - 1, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def spread(wanted: Sequence[float], low: float, high: float, gap: float = LINE) -> list[float]:
    """Positions as near to `wanted` as they can be while `gap` apart and between `low` and `high`; in the order of
    `wanted`. Where there is no room for all, the gap is kept and the last ones pass `high`."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed: list[float] = []
    for index in order:
        at = max(low, min(high, wanted[index]))
        placed.append(max(at, placed[-1] + gap) if placed else at)
    over = placed[-1] - high if placed else 0.0
    if over > 0:
        limit = max(high, low + gap * (len(placed) - 1))
        for position in range(len(placed) - 1, -1, -1):
            placed[position] = min(placed[position], limit)
            limit = placed[position] - gap
    found = [0.0] * len(wanted)
    for index, at in zip(order, placed, strict=True):
        found[index] = at
    return found


def n(value: float) -> str:
    """A coordinate with at most one decimal, without a trailing zero."""
    shown = f"{value:.1f}"
    return "0" if shown in ("-0.0", "0.0") else shown.removesuffix(".0")


def label(x: float, y: float, said: str, *, anchor: Anchor = "start", kind: str = "") -> str:
    """A text; `kind` is a class beside `ct` (strong, on-dark …). Never below 12 px: the size is that of charts.css."""
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    name = f"ct {kind}".strip()
    return f'<text class="{name}" x="{n(x)}" y="{n(y)}"{at} font-size="13">{escape(said)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line of class `kind`."""
    return f'<line class="{kind}" x1="{n(x1)}" y1="{n(y1)}" x2="{n(x2)}" y2="{n(y2)}"/>'


def hit(x: float, y: float, width: float, height: float, said: str) -> str:
    """An area without colour whose text browsers show under the pointer."""
    place = f'x="{n(x)}" y="{n(y)}" width="{n(width)}" height="{n(height)}"'
    return f'<rect class="hit" {place}><title>{escape(said)}</title></rect>'


def drawing(
    width: int, height: float, prefix: str, title: str, description: str, content: str, kind: str
) -> str:
    """One SVG with its title and description, under ids that begin with `prefix`."""
    ids = f"{prefix}-{kind}"
    return (
        f'<svg class="drawing {kind}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {n(height)}" '
        f'role="img" aria-labelledby="{ids}-t" aria-describedby="{ids}-d">'
        f'<title id="{ids}-t">{escape(title)}</title><desc id="{ids}-d">{escape(description)}</desc>{content}</svg>'
    )


def figure(*drawings: str) -> Markup:
    """The drawings of a chart, of which charts.css shows the one that fits."""
    return Markup(f'<div class="chart">{"".join(drawings)}</div>')  # noqa: S704 - every text in it was escaped


def axis_number(value: Number, unit: str, decimals: int, lang: Lang) -> str:
    """A figure as short as an axis needs it: shares as per cent without the sign, from a million in millions, with
    three figures that count."""
    amount = Decimal(str(value)) * (100 if unit == "percent" else 1)
    for name, size in (("billions", 1_000_000_000), ("millions", 1_000_000)):
        if abs(amount) >= size:
            scaled = amount / size
            digits = max(0, 2 - scaled.adjusted())  # three figures that count
            kept = 0 if scaled == scaled.to_integral_value() else digits
            return text(f"chart.{name}", lang, value=number(scaled, kept, lang))
    return number(amount, decimals, lang)


def tick_decimals(values: Sequence[float], unit: str) -> int:
    """As many decimals as the distance between ticks needs."""
    if len(values) < 2:
        return 0
    step = abs(values[1] - values[0]) * (100 if unit == "percent" else 1)
    return max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0


def steps_between(first: date, later: date, grain: str) -> int:
    """Periods from one to the other, so that a missing period leaves its room empty."""
    months = (later.year - first.year) * 12 + later.month - first.month
    return {"year": months // 12, "quarter": months // 3, "season": months // 3, "month": months}.get(
        grain, (later - first).days
    )
