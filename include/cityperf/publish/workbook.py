"""One table as an Excel workbook for people: typed cells, a frozen header, a sheet that says what the columns mean.

No cell is ever a formula: text is written as text, and text that begins like a formula bears Excel's own mark for
text (the quote prefix), so that it stays text when somebody edits the cell. Rows of a large table go to disk one by
one, so memory does not grow with them. Equal rows give equal bytes: the workbook says it was created on a fixed day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final

SHEET_ROWS: Final = 1_048_576  # Excel's, with the header
SMALL: Final = 5_000  # rows that are put together in memory, at half the price of going by disk
CELL: Final = 32_767  # characters that fit into a cell
CREATED: Final = datetime(2000, 1, 1)
FIRST_DAY: Final = date(1900, 3, 1)  # Excel takes 1900 for a leap year: earlier days are written as text
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class About:
    """What the second sheet says: `facts` as (word, text) pairs, then each column with its description."""

    sheet: str
    title: str
    facts: Sequence[tuple[str, str]]
    columns: Mapping[str, str]
    sample: str | None = None


def write(
    handle: IO[bytes], about: About, rows: Iterable[Sequence[Any]] | None, count: int, scratch: Path
) -> None:
    """Write the workbook into `handle`. `rows`, `count` of them, in the order of `about.columns`; None: they are too
    many for a sheet, which `about.facts` says. `scratch`: a folder for what is written before it is packed.
    """
    import xlsxwriter

    options = {
        "constant_memory": count > SMALL,
        "in_memory": count <= SMALL,
        "tmpdir": str(scratch),
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(handle, options) as book:
        said = {"title": about.title, "comments": about.sample or "", "created": CREATED}
        book.set_properties(said)
        shapes = {
            "head": book.add_format({"bold": True, "bottom": 1}),
            "date": book.add_format({"num_format": "yyyy-mm-dd"}),
            "time": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
            "quoted": book.add_format({"quote_prefix": True}),
        }
        if rows is not None:
            _data(book.add_worksheet(about.sheet[:31]), about, rows, shapes)
        _about(book.add_worksheet("About"), about, shapes)


def _data(sheet: Any, about: About, rows: Iterable[Sequence[Any]], shapes: Mapping[str, Any]) -> None:
    names = list(about.columns)
    for place, name in enumerate(names):
        sheet.set_column(place, place, min(40, max(12, len(name) + 3)))
    sheet.freeze_panes(1, 0)
    if about.sample:
        sheet.set_header(f"&C{about.sample}")
    for place, name in enumerate(names):
        sheet.write_string(0, place, name, shapes["head"])
    last = 0
    for last, row in enumerate(rows, 1):
        for place, value in enumerate(row):
            _cell(sheet, last, place, value, shapes)
    sheet.autofilter(0, 0, last, len(names) - 1)


def _cell(sheet: Any, row: int, place: int, value: Any, shapes: Mapping[str, Any]) -> None:
    """One typed cell; nothing where there is no value."""
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, place, value)
    elif isinstance(value, (int, float, Decimal)) and (isinstance(value, int) or _finite(value)):
        sheet.write_number(row, place, value)
    elif isinstance(value, datetime) and value.date() >= FIRST_DAY:
        sheet.write_datetime(row, place, value, shapes["time"])
    elif isinstance(value, date) and not isinstance(value, datetime) and value >= FIRST_DAY:
        sheet.write_datetime(row, place, value, shapes["date"])
    else:
        text = value if isinstance(value, str) else str(value)
        text = text if len(text) <= CELL else text[: CELL - 1] + "…"
        sheet.write_string(row, place, text, shapes["quoted"] if text.startswith(FORMULA) else None)


def _finite(value: float | Decimal) -> bool:
    return Decimal(value).is_finite()


def _about(sheet: Any, about: About, shapes: Mapping[str, Any]) -> None:
    sheet.set_column(0, 0, 32)
    sheet.set_column(1, 1, 110)
    lines = [("", about.sample)] if about.sample else []
    facts = chain([(about.title, "")], lines, about.facts, [("", "")])
    row = 0
    for row, (word, text) in enumerate(facts):
        sheet.write_string(row, 0, word, shapes["head"] if row == 0 else shapes["wrap"])
        sheet.write_string(row, 1, text, shapes["wrap"])
    sheet.write_string(row + 1, 0, "column", shapes["head"])
    sheet.write_string(row + 1, 1, "meaning", shapes["head"])
    for place, (name, meaning) in enumerate(about.columns.items(), row + 2):
        sheet.write_string(place, 0, name, shapes["wrap"])
        sheet.write_string(place, 1, meaning, shapes["wrap"])
