"""What the site's pages read: for each kind of page the published tables and columns that it asks for.

Nobody has to list that: each page is asked for over tables without rows, and what it asks of them is written down.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import sqlglot
from sqlglot import exp

from cityperf.config import ROOT
from cityperf.site import pages, release_files
from cityperf.site.model import Edition, Row, Tables

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


def pages_by_column(asked: Mapping[str, Asked]) -> dict[tuple[str, str], tuple[str, ...]]:
    """(published table, column) → the kinds of page that read it."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for kind, each in asked.items():
        for table, columns in each.columns.items():
            for column in columns:
                found[table, column] = (*found.get((table, column), ()), kind)
    return found
