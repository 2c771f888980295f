"""The page about the release itself: the only one that is new with every release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from cityperf.site import release_files, words
from cityperf.site.model import Edition, Page, Tables
from cityperf.site.words import LANGS


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """One page per language."""
    said = release_files.facts(tables, edition)
    late = [
        row
        for row in tables.rows(
            "data_quality",
            ("dataset", "description", "owner", "next_delivery_due_on", "late_by_days"),
            order=("dataset",),
        )
        if (row["late_by_days"] or 0) > 0
    ]
    for lang in LANGS:
        yield Page(f"{lang}/release.html", "release", lang, {**asdict(said), "late_sets": late})


def context(page: Page) -> Mapping[str, Any]:
    """Number, night, code and counts in the page's language."""
    edition = page.data["edition"]
    return {
        "number": edition["number"],
        "night": words.day(edition["night"], page.lang),
        "code": edition["code_version"],
        "repeats": edition["repeats"],
        "datasets": page.data["datasets"],
        "late": page.data["late"],
        "restated": page.data["restated"],
        "late_sets": [
            {**row, "due": words.day(row["next_delivery_due_on"], page.lang)}
            for row in page.data["late_sets"]
        ],
    }
