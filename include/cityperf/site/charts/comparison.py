"""Bars of differences, to the left of zero or to the right of it, one to a table's row."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from cityperf.site.charts.svg import n
from cityperf.site.words import Number

WIDTH: Final = 120
HEIGHT: Final = 18


def bar(change: Number | None, largest: Number, kind: str = "neutral") -> Markup:
    """The bar of one difference; all rows of a table share `largest` (the greatest difference, without its sign).

    `kind` (better, worse, neutral) is a class: colour only where the latest point is a signal the same way. The number
    stands in the cell beside it, so the bar is `aria-hidden`. A missing difference leaves only the line at zero.
    """
    middle = WIDTH / 2
    length = 0.0 if change is None or not largest else abs(float(change)) / float(largest) * (middle - 2)
    left = middle if change is None or change >= 0 else middle - length
    drawn = (
        f'<rect class="b-{kind}" x="{n(left)}" y="4" width="{n(max(length, 1))}" height="10"/>'
        if change
        else ""
    )
    return Markup(  # noqa: S704 - numbers and constants only
        f'<svg class="diff" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{drawn}'
        f'<path class="c-axis" d="M{n(middle)} 0V{HEIGHT}"/></svg>'
    )
