"""A page per dimension: its measures with a signal as tiles, all of them as a table; and the same for the filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cityperf.site import measures
from cityperf.site.model import Edition, Page, Tables
from cityperf.site.words import LANGS


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """One page per dimension and language."""
    del edition
    cards = measures.with_points(tables, measures.cards(tables))
    for dimension in measures.DIMENSIONS:
        own = [c for c in cards if c["dimension"] == dimension]
        for lang in LANGS:
            data = {"dimension": dimension, "cards": own, "counts": measures.counts(own)}
            yield Page(f"{lang}/dimension/{dimension}.html", "dimension", lang, data)


def context(page: Page) -> Mapping[str, Any]:
    """Tiles of measures with a signal or a late figure, and every measure by name."""
    tiles = [measures.tile(c, page.lang) for c in page.data["cards"]]
    tiles.sort(key=lambda each: (measures.GROUP_ORDER.index(each["group"]), each["name"], each["id"]))
    return {
        "dimension": page.data["dimension"],
        "counts": page.data["counts"],
        "groups": measures.GROUP_ORDER,
        "signals": [t for t in tiles if t["group"] in ("improvement", "concern", "changed")],
        "tiles": tiles,
    }
