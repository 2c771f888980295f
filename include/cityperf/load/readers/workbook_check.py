"""What a workbook is looked at for before it is opened: size, shape, macros."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cityperf.load.quarantined import Quarantined
from cityperf.load.readers.ahead import ahead
from cityperf.load.readers.limits import limits
from cityperf.load.readers.records import ASK
from cityperf.load.readers.zip import DAMAGED, check_entries, unzipped


def is_workbook(path: Path, name: str) -> bool:
    with path.open("rb") as handle:
        if handle.read(4) != b"PK\x03\x04":
            return False
    with unzipped(path, name) as archive:
        return any(entry in ("xl/workbook.xml", "xl/workbook.bin") for entry in archive.namelist())


def check_workbook(path: Path, name: str) -> None:
    """Raises Quarantined for an archive that is damaged, too large once inflated, or carries macros.

    Nothing is opened for it: sizes come from the archive's list, and the sheets' text is only searched for the
    places of cells, because one cell in the far corner of an empty sheet would fill any memory.
    """
    most = limits()
    with unzipped(path, name) as archive:
        entries = archive.infolist()
        check_entries(entries, name)
        total = sum(entry.file_size for entry in entries)
        if total > most.workbook or any(most.bomb(entry.file_size, entry.compress_size) for entry in entries):
            raise Quarantined(
                f"a workbook of at most {most.workbook >> 20} MB once inflated, compressed at most {most.ratio}-fold "
                "(CITYPERF_MAX_WORKBOOK_MB, CITYPERF_MAX_RATIO)",
                f"{total >> 20} MB out of {path.stat().st_size >> 10} KB in {len(entries)} parts",
                name,
                "if it is no zip bomb, ask for it in parts or raise the limit; what was loaded before stays",
            )
        names = [entry.filename.lower() for entry in entries]
        if any(each.endswith("vbaproject.bin") for each in names):
            raise Quarantined(
                "a workbook without macros", "one with macros", name, "have it saved as .xlsx without them"
            )
        if any(each.endswith("workbook.bin") for each in names):
            raise Quarantined("an .xlsx workbook", "a binary one (.xlsb)", name, "have it saved as .xlsx")
        for entry in entries:
            _check_extent(archive, entry, name)


# A cell in column AA or further right, or a cell's place written in another way than every program writes it.
_WIDE: Final = re.compile(rb' r(?!="[A-Za-z][0-9])(?!="[0-9])(?==[^"]|="..|\s)', re.S)
_CELL: Final = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{1,9})([0-9]{1,9})""")
_WINDOW: Final = 1 << 20  # bytes looked at together
_NARROW: Final = 26 << 20  # cells of a sheet without such columns, at most


def _check_extent(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> None:
    """Raises Quarantined when a sheet's used range, empty cells included, has more cells than the limit.

    Without a cell right of column Z no sheet can, so mostly one quick search is all.
    """
    most = limits().cells
    try:
        windows = _windows(archive, entry)
        if entry.file_size > _WINDOW:  # for one window a thread costs more than it saves
            windows = ahead(windows)
        if most >= _NARROW and not any(map(_is_wide, windows)):
            return
        columns = rows = 0
        for window in _windows(archive, entry):
            for letters, digits in set(_CELL.findall(window)):
                columns, rows = max(columns, _column(letters)), max(rows, int(digits))
            if columns * rows > most:
                raise Quarantined(
                    f"at most {most:,} cells in a sheet, filled or not (CITYPERF_MAX_SHEET_CELLS)",
                    f"{columns:,} columns and {rows:,} rows or more",
                    f"{name}, {entry.filename}",
                    "clear the stray cell far out, or ask the publisher for a CSV file",
                )
    except DAMAGED as problem:
        raise Quarantined("a sound workbook", f"a damaged one ({problem})", name, ASK) from None


def _is_wide(window: bytes) -> bool:
    return _WIDE.search(window) is not None or b"\n" in window[200:] or b"\t" in window


def _windows(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The entry's content, a megabyte at a time, each with the end of the one before."""
    tail = b""
    with archive.open(entry) as content:
        while chunk := content.read(_WINDOW):
            yield tail + chunk
            tail = chunk[-64:]


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
