"""A drawing for a file that has no style sheet: with its rules inside it, in the colours of the light theme."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from cityperf.config import ROOT
from cityperf.site import words
from cityperf.site.model import Row
from cityperf.site.words import Lang

_STATIC: Final = ROOT / "include" / "site" / "static"


def on_paper(drawn: str) -> str:
    """The SVG of a sparkline or a mark as a document of its own."""
    return str(drawn).replace(">", f"><style>{_style()}</style>", 1)


@cache
def _style() -> str:
    light = (_STATIC / "site.css").read_text("utf-8").split("@media", 1)[0]
    tokens = dict(re.findall(r"--([\w-]+):(#[0-9a-f]+)", light))
    rules = re.findall(r"^\.[sm]-.*", (_STATIC / "charts.css").read_text("utf-8"), re.M)
    return re.sub(r"var\(--([\w-]+)\)", lambda match: tokens[match[1]], "".join(rules))


def in_words(points: Sequence[Row], unit: str, decimals: int, grain: str, lang: Lang) -> str:
    """A small chart's text for those who do not see it: how many figures, of which time, lowest and highest."""
    found = [each for each in points if each["value"] is not None]
    if not found:
        return ""
    values = [each["value"] for each in found]
    return words.text(
        "paper.chart",
        lang,
        count=len(found),
        first=words.period(found[0]["period_start"], grain, lang),
        last=words.period(found[-1]["period_start"], grain, lang),
        low=words.figure(min(values), unit, decimals, lang),
        high=words.figure(max(values), unit, decimals, lang),
    )
