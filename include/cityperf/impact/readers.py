"""Who reads the published columns: the kinds of page of the site, and the dashboards of the bundle for Superset.

Nobody has to list that: each page is asked for over tables without rows, and what it asks of them is written down; a
dashboard's charts and filters name their columns.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import sqlglot
from sqlglot import exp

from cityperf.config import ROOT
from cityperf.site import pages, release_files
from cityperf.site.model import Edition, Row, Tables
from cityperf.superset import SCHEMA, reads_of_dashboards

SITE: Final = ROOT / "include" / "cityperf" / "site"
STRIP: Final = "every page"  # the as-of strip
_ANY: Final = Edition(1, date(2026, 1, 1), "sample")


class Asked(Tables):
    """Tables without rows that remember what was asked of them, and where in the site's code."""

    def __init__(self) -> None:
        self.columns: dict[str, set[str]] = {}
        self.places: set[tuple[str, int]] = set()

    def rows(
        self,
        table: str,
        columns: Sequence[str],
        where: str = "true",
        order: Sequence[str] = (),
        newest: int | None = None,
        per: Sequence[str] = (),
    ) -> Iterator[Row]:
        """Asked as `Tables.rows`, without a row: names in `where`, `order` and `per` count like columns that are shown."""
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_filename.endswith("model.py"):  # from `by`
            frame = frame.f_back
        self.places.add((str(Path(frame.f_code.co_filename).relative_to(SITE)), frame.f_lineno))
        condition = sqlglot.parse_one(where, dialect="postgres").find_all(exp.Column)
        found = {
            *columns,
            *(name.removeprefix("-") for name in order),
            *per,
            *(each.name for each in condition),
        }
        self.columns.setdefault(table, set()).update(
            found | ({"period_start"} if newest is not None else set())
        )
        return iter(())


def read_by_site() -> dict[str, Asked]:
    """Kind of page → what it asks for; `STRIP` for what stands on all of them."""
    found: dict[str, Asked] = {}
    for kind in pages.KINDS:
        found[kind] = Asked()
        for _ in importlib.import_module(f"cityperf.site.pages.{kind}").pages(found[kind], _ANY):
            pass
    found[STRIP] = Asked()
    release_files.facts(found[STRIP], _ANY)
    return found


def read_by() -> dict[tuple[str, str], tuple[str, ...]]:
    """(published table, column) → the kinds of page that read it, and the dashboards, by slug."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for kind, asked in read_by_site().items():
        for table, columns in asked.columns.items():
            for column in columns:
                found[table, column] = (*found.get((table, column), ()), kind)
    for slug, reads in reads_of_dashboards().items():
        for table, column in reads:
            key = table.removeprefix(f"{SCHEMA}."), column
            found[key] = (*found.get(key, ()), f"Superset: {slug}")
    return found
