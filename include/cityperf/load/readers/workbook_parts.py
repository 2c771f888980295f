"""What a workbook's XML tells and a reader of values does not: hidden, merged, filtered, formulas, percent formats.

The parts are streamed through expat; a document type or an entity is refused. The sizes were looked at before, by
`check_workbook`.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

Start = Callable[[str, dict[str, str]], Any]
_PERCENT: Final = frozenset({"9", "10"})  # the built-in formats 0% and 0.00%
_QUOTED: Final = re.compile(r'"[^"]*"|\\.')


class NotXml(ValueError):
    """A part of the workbook that is missing, is no XML, or declares entities."""


@dataclass(frozen=True)
class Sheet:
    """A sheet as the workbook lists it. `part`: the name of its XML in the archive."""

    title: str
    hidden: bool
    part: str


@dataclass(frozen=True)
class Book:
    """A workbook's list of sheets. `from_1904`: it counts days from 1904."""

    sheets: tuple[Sheet, ...]
    from_1904: bool
    links: bool  # to other workbooks


@dataclass
class Facts:
    """A sheet's cells, without their values. Lines and columns count from 1.

    `filled`: line → (filled cells, letters of the last one). `errors`: cell → error. `uncached`: formulas that no
    spreadsheet program has calculated. `percent`, `plain`: of each column that was asked for, the lines with a number
    that is, and is not, shown as percent.
    """

    filled: dict[int, tuple[int, str]] = field(default_factory=dict)
    hidden_lines: list[int] = field(default_factory=list)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    filtered: bool = False
    errors: dict[str, str] = field(default_factory=dict)
    uncached: list[str] = field(default_factory=list)
    percent: dict[str, list[int]] = field(default_factory=dict)
    plain: dict[str, list[int]] = field(default_factory=dict)
    totals: list[str] = field(default_factory=list)  # ranges of tables that end in a row of totals


def book_of(archive: zipfile.ZipFile) -> Book:
    """Raises NotXml when the workbook's own parts cannot be read."""
    listed: list[tuple[str, bool, str]] = []
    from_1904 = False

    def start(name: str, told: dict[str, str]) -> None:
        nonlocal from_1904
        if name == "sheet":
            target = next((value for key, value in told.items() if key.endswith(":id")), "")
            listed.append((told.get("name", ""), told.get("state", "visible") != "visible", target))
        elif name == "workbookPr":
            from_1904 = told.get("date1904") in ("1", "true")

    _walk(archive, "xl/workbook.xml", start)
    parts = _related(archive, "xl/workbook.xml")
    sheets = tuple(Sheet(title, hidden, parts[key]) for title, hidden, key in listed if key in parts)
    links = any(name.startswith("xl/externalLinks/") for name in archive.namelist())
    return Book(sheets, from_1904, links)


def percent_styles(archive: zipfile.ZipFile) -> frozenset[str]:
    """The cell styles (numbers as in a cell's `s`) that show a number as percent."""
    if "xl/styles.xml" not in archive.namelist():
        return frozenset()
    formats = set(_PERCENT)
    styles: list[str] = []
    inside = False

    def start(name: str, told: dict[str, str]) -> None:
        nonlocal inside
        if name == "numFmt" and "%" in _QUOTED.sub("", told.get("formatCode", "")):
            formats.add(told.get("numFmtId", ""))
        elif name == "xf" and inside:
            styles.append(told.get("numFmtId", "0"))
        elif name in ("cellStyleXfs", "cellXfs", "cellStyles", "dxfs"):
            inside = name == "cellXfs"

    _walk(archive, "xl/styles.xml", start)
    return frozenset(str(number) for number, style in enumerate(styles) if style in formats)


def facts_of(
    archive: zipfile.ZipFile, sheet: Sheet, percent: Collection[str] = (), styles: Collection[str] = ()
) -> Facts:
    """`percent`: letters of the columns whose formats are wanted; `styles`: those that show percent.

    Raises NotXml when the sheet cannot be read.
    """
    facts = Facts()
    for letters in percent:
        facts.percent[letters], facts.plain[letters] = [], []
    line = count = column = 0
    cell: dict[str, str] = {}  # the attributes of the one under way, and of the last filled one
    last: dict[str, str] = {}
    formula = False
    said: list[str] | None = None  # text of the value under way, where it matters

    def end_of_cell() -> None:
        nonlocal said, formula
        kind, text = cell.get("t"), "".join(said or ()).strip()
        if kind == "e":
            facts.errors[cell["r"]] = text
        elif formula and not text and kind != "str":
            facts.uncached.append(cell["r"])
        said, formula = None, False
        parser.CharacterDataHandler = None

    def end_of_row() -> None:
        nonlocal count
        if count:
            facts.filled[line] = (count, _letters(last))
            count = 0

    def value() -> None:
        nonlocal said
        if percent and cell.get("t", "n") == "n" and (letters := _letters(cell)) in facts.percent:
            (facts.percent if cell.get("s") in styles else facts.plain)[letters].append(line)
        if formula or cell.get("t") == "e":
            said = []
            parser.CharacterDataHandler = said.append

    def start(name: str, told: dict[str, str]) -> None:
        nonlocal line, count, column, cell, last, formula
        if name == "c":
            if formula or said is not None:
                end_of_cell()
            column += 1
            if "r" not in told:
                told["r"] = f"{letters_of(column)}{line}"
            cell = told
        elif name == "v" or name == "is":
            count += 1
            last = cell
            if formula or percent or "t" in cell:
                value()
        elif name == "f":
            formula = True
        elif name == "row":
            if formula or said is not None:
                end_of_cell()
            end_of_row()
            line, column = int(told.get("r") or line + 1), 0
            if told.get("hidden") in ("1", "true"):
                facts.hidden_lines.append(line)
        elif name == "col" and told.get("hidden") in ("1", "true"):
            facts.hidden_columns.append((int(told["min"]), int(told["max"])))
        elif name == "mergeCell":
            facts.merged.append(told.get("ref", ""))
        elif name == "filterColumn":
            facts.filtered = True

    parser = _parser(start)
    _feed(archive, sheet.part, parser)
    if formula or said is not None:
        end_of_cell()
    end_of_row()
    _tables(archive, sheet, facts)
    return facts


def _tables(archive: zipfile.ZipFile, sheet: Sheet, facts: Facts) -> None:
    def start(name: str, told: dict[str, str]) -> None:
        if name == "table" and told.get("totalsRowCount", "0") not in ("0", ""):
            facts.totals.append(told.get("ref", ""))
        elif name == "filterColumn":
            facts.filtered = True

    for part in _related(archive, sheet.part).values():
        if "/tables/" in part:
            _walk(archive, part, start)


def _letters(cell: Mapping[str, str]) -> str:
    return cell["r"].rstrip("0123456789")


def letters_of(column: int) -> str:
    """The letters of a column, counted from 1."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def number_of(letters: str) -> int:
    """The number of a column, counted from 1; 0 for none."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def corners(area: str) -> tuple[int, int, int, int]:
    """(first column, first line, last column, last line) of a range such as B4:C9. Raises ValueError."""
    found = re.fullmatch(r"\$?([A-Za-z]{1,3})\$?(\d+)(?::\$?([A-Za-z]{1,3})\$?(\d+))?", area)
    if not found:
        raise ValueError(f"expected a range such as B4:C9, found {area!r}")
    left, top = number_of(found[1]), int(found[2])
    return left, top, number_of(found[3] or found[1]), int(found[4] or top)


def _related(archive: zipfile.ZipFile, part: str) -> Mapping[str, str]:
    """The parts of the archive that a part refers to, by the id that it calls them."""
    folder, file = posixpath.split(part)
    relations = f"{folder}/_rels/{file}.rels"
    if relations not in archive.namelist():
        return {}
    found: dict[str, str] = {}

    def start(name: str, told: dict[str, str]) -> None:
        if name == "Relationship" and told.get("TargetMode") != "External":
            target = told.get("Target", "")
            found[told.get("Id", "")] = (
                target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
            )

    _walk(archive, relations, start)
    return found


def _walk(archive: zipfile.ZipFile, part: str, start: Start) -> None:
    _feed(archive, part, _parser(start))


def _parser(start: Start) -> Any:
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def bare(name: str, told: dict[str, str]) -> None:
        start(name.rpartition(":")[2], told)

    def first(name: str, told: dict[str, str]) -> None:
        """Few programs write every element's name with a prefix; the others need not be asked each time."""
        parser.StartElementHandler = bare if ":" in name else start
        parser.StartElementHandler(name, told)

    def refuse(*_: object) -> None:
        raise NotXml("it declares a document type or entities, which no spreadsheet program writes")

    parser.StartElementHandler = first
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    return parser


def _feed(archive: zipfile.ZipFile, part: str, parser: Any) -> None:
    try:
        with archive.open(part) as content:
            for chunk in _chunks(content):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)
    except KeyError:
        raise NotXml(f"{part} is missing") from None
    except expat.ExpatError as problem:
        raise NotXml(f"{part}: {problem}") from None


def _chunks(content: Any) -> Iterator[bytes]:
    while chunk := content.read(1 << 16):
        yield chunk
