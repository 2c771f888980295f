"""XLSX workbooks whose bytes depend on nothing but their cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Final

import xlsxwriter

Cell = str | int | float | date | time | None
_EPOCH: Final = date(1899, 12, 30)


def write(path: Path, sheets: Iterable[tuple[str, Iterable[Sequence[Cell]]]], created: datetime) -> None:
    """A workbook with the named sheets. None leaves a cell out, '' makes a blank one that counts as used."""
    book = xlsxwriter.Workbook(str(path), {"in_memory": True})
    book.set_properties({"created": created.replace(tzinfo=None), "author": "", "title": ""})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    clock = book.add_format({"num_format": "hh:mm:ss"})
    plain = book.add_format({"locked": True})
    for name, rows in sheets:
        sheet = book.add_worksheet(name)
        for at_row, row in enumerate(rows):
            for at_column, cell in enumerate(row):
                if cell is None:
                    continue
                if isinstance(cell, str):
                    if cell:
                        sheet.write_string(at_row, at_column, cell)
                    else:
                        sheet.write_blank(at_row, at_column, "", plain)
                elif isinstance(cell, date):
                    sheet.write_number(at_row, at_column, (cell - _EPOCH).days, day)
                elif isinstance(cell, time):
                    seconds = cell.hour * 3600 + cell.minute * 60 + cell.second
                    sheet.write_number(at_row, at_column, seconds / 86_400, clock)
                else:
                    sheet.write_number(at_row, at_column, cell)
    book.close()
