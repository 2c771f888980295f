"""How figures are made, in short: one page per language, of words alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cityperf.site.model import Edition, Page, Tables
from cityperf.site.words import LANGS

PARTS: Final = ("comparison", "signal", "vintage", "privacy", "place", "check")


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """methods.html."""
    del tables, edition
    for lang in LANGS:
        yield Page(f"{lang}/methods.html", "methods", lang, {"parts": list(PARTS)})


def context(page: Page) -> Mapping[str, Any]:
    """The parts in their order."""
    return {"parts": page.data["parts"]}
