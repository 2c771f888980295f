"""Every measure, and a page for each filter: an address of its own, which can be cited and needs no script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from cityperf.site import measures, words
from cityperf.site.model import Edition, Page, Row, Tables
from cityperf.site.words import LANGS


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """kpis.html, and kpis/<filter>-<value>.html for each signal, target status, division and for what is late."""
    del edition
    cards = measures.cards(tables)
    owners = sorted({c["owner"] for c in cards if c["owner"]})
    filters: dict[str, list[Row]] = {"": cards}
    for group in measures.GROUP_ORDER:
        filters[f"signal-{group}"] = [c for c in cards if measures.group(c) == group]
    for state in measures.TARGETS:
        filters[f"target-{state}"] = [c for c in cards if measures.target_state(c) == state]
    filters["late"] = [c for c in cards if c["late"] or c["held"]]
    for owner in owners:
        filters[f"division-{slug(owner)}"] = [c for c in cards if c["owner"] == owner]
    counted = {name: len(chosen) for name, chosen in filters.items()}
    for name, chosen in filters.items():
        for lang in LANGS:
            data = {"filter": name, "cards": chosen, "counted": counted, "owners": owners}
            tail = f"kpis/{name}.html" if name else "kpis.html"
            yield Page(f"{lang}/{tail}", "kpis", lang, data)


def slug(said: str) -> str:
    """A name as part of an address: small letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", said).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def context(page: Page) -> Mapping[str, Any]:
    """The chosen measures as rows, and the filters with how many each gives."""
    counted = page.data["counted"]
    owners = {f"division-{slug(owner)}": owner for owner in page.data["owners"]}
    tiles = [measures.tile(c, page.lang) for c in page.data["cards"]]
    tiles.sort(key=lambda each: (each["name"], each["id"]))
    chosen = page.data["filter"]
    return {
        "filter": chosen,
        "division": owners.get(chosen, ""),
        "tiles": tiles,
        "counted": counted,
        "signals": [f"signal-{group}" for group in measures.GROUP_ORDER],
        "targets": [f"target-{state}" for state in measures.TARGETS],
        "owners": owners,
        # What the script combines; each is a link by itself, too.
        "dimensions": [(each, words.text(f"dimension.{each}", page.lang)) for each in measures.DIMENSIONS],
        "signal_choices": [
            (each, words.text(f"signal_group.{each}", page.lang)) for each in measures.GROUP_ORDER
        ],
        "target_choices": [(each, words.text(f"target.{each}", page.lang)) for each in measures.TARGETS],
        "divisions": [(owner, owner) for owner in page.data["owners"]],
    }
