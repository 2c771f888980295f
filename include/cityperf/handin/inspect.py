"""What a handed-in workbook tells about itself, before any of its rows is loaded.

Some of it refuses the whole file (a password, another register's workbook), some only a row (a formula with an
error), some is only worth saying (a filter that hides rows). Each is told with its cell and what to do about it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from cityperf.handin import division_key
from cityperf.load.header import find_header, match_header, normal
from cityperf.load.quarantined import Quarantined
from cityperf.load.readers.records import glimpse, is_html
from cityperf.sources import Column, Contract, is_private

if TYPE_CHECKING:
    import zipfile

    from cityperf.load.readers.workbook_parts import Book, Facts, Sheet

TOP: Final = 25  # lines among which the header is looked for
MOST: Final = 8  # cells or lines named in one finding
AGAIN: Final = "hand the file in again; what was handed in before stays"


@dataclass(frozen=True)
class Finding:
    """Something about a hand-in. `refuse` with a `row` (line of the sheet) holds that row, without one the whole
    file; `warn` holds nothing.
    """

    level: Literal["refuse", "warn"]
    sheet: str | None
    cell: str | None
    expected: str
    found: str
    remedy: str
    row: int | None = None

    @property
    def where(self) -> str:
        return ", ".join(
            [*([f"sheet {self.sheet!r}"] if self.sheet else []), *([self.cell] if self.cell else [])]
        )

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}expected {self.expected}, found {self.found}; {self.remedy}"


@dataclass(frozen=True)
class Look:
    """What was found, whose sheet it is by its title block, and where its table stands: the letters of each column."""

    findings: list[Finding] = field(default_factory=list)
    sheet: str | None = None
    division: str | None = None
    header_line: int = 0
    letters: Mapping[str, str] = field(default_factory=dict)
    facts: Facts | None = None

    @property
    def refusals(self) -> list[Finding]:
        """What holds the whole file."""
        return [each for each in self.findings if each.level == "refuse" and each.row is None]


def inspect(
    path: Path, contract: Contract, *, name: str | None = None, night: dt.date | None = None
) -> list[Finding]:
    """What is wrong with a handed-in workbook, the gravest first; empty when nothing is.

    `name`: what it is called where it was handed in (default: the path's own); `night`: the Toronto date after which
    nothing can have been reflected yet (not looked at without).
    """
    return look(path, contract, name or path.name, night).findings


def look(path: Path, contract: Contract, name: str, night: dt.date | None) -> Look:
    """As `inspect`, with what the loader needs to know of the sheet besides."""
    kind = _kind(path, contract)
    if kind:
        return Look([Finding("refuse", None, None, "an .xlsx workbook", *kind)])
    try:
        found = _look_inside(path, contract, name, night)
    except _Stop as stop:
        return Look([stop.finding])
    misnamed = list(_file_name(contract, name))
    order = {"refuse": 0, "warn": 2}
    ranked = sorted([*misnamed, *found.findings], key=lambda each: order[each.level] + (each.row is not None))
    return replace(found, findings=ranked)


class _Stop(Exception):
    """Nothing more can be said of the file."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


# -- what kind of file it is ---------------------------------------------------------------------------------
def _kind(path: Path, contract: Contract) -> tuple[str, str] | None:
    """(what it is, what to do) of a file that is no .xlsx workbook by its bytes."""
    with path.open("rb") as handle:
        head = handle.read(4096)
        if not head.strip(b" \t\r\n\x00"):
            return f"an empty file of {path.stat().st_size} bytes", f"save the workbook once more and {AGAIN}"
        if head.startswith(b"\xd0\xcf\x11\xe0"):
            handle.seek(0)
            locked = _holds(handle, "EncryptedPackage".encode("utf-16-le"))
            if locked:
                return (
                    "a workbook with a password",
                    "take it off (File, Info, Protect Workbook, Encrypt with Password: leave it blank), save, and "
                    + AGAIN,
                )
            return "an old binary workbook (.xls)", f"save it as Excel Workbook (.xlsx) and {AGAIN}"
    if head.startswith(b"PK\x03\x04"):
        return None
    if head.startswith(b"%PDF"):
        return "a PDF", f"hand in the workbook itself; {AGAIN}"
    if is_html(head):
        return "an HTML page", f"save it as Excel Workbook (.xlsx) and {AGAIN}"
    begins = "" if is_private(contract) else f" that begins {glimpse(head)}"
    return f"something{begins}, which is no workbook", f"save it as Excel Workbook (.xlsx) and {AGAIN}"


def _holds(handle: Any, wanted: bytes) -> bool:
    tail = b""
    while chunk := handle.read(1 << 20):
        if wanted in tail + chunk:
            return True
        tail = chunk[-len(wanted) :]
    return False


def _file_name(contract: Contract, name: str) -> Iterator[Finding]:
    match = str(contract.extract.arguments.get("match", ""))
    if not re.search(match, name):
        yield Finding(
            "refuse", None, None, f"a file name like {_good_name(contract)}", repr(name),
            "rename the file (division and date as in the sheet) and hand it in again",
        )  # fmt: skip


def _good_name(contract: Contract) -> str:
    folder = str(contract.extract.arguments.get("folder", contract.dataset))
    groups = re.compile(str(contract.extract.arguments.get("match", ""))).groupindex
    parts = [
        word for group, word in (("division_key", "DIVISION"), ("as_of", "YYYY-MM-DD")) if group in groups
    ]
    return "_".join([folder, *parts]) + ".xlsx"


def template_hint(contract: Contract) -> str:
    """Where the right template comes from."""
    return f"get it with `./cityperf template {contract.dataset}`"


# -- what is in it -------------------------------------------------------------------------------------------
def _look_inside(path: Path, contract: Contract, name: str, night: dt.date | None) -> Look:
    from cityperf.load.readers.workbook_check import check_workbook, is_workbook
    from cityperf.load.readers.workbook_parts import NotXml
    from cityperf.load.readers.zip import DAMAGED, unzipped

    try:
        check_workbook(path, name)
        if not is_workbook(path, name):
            raise _Stop(Finding(
                "refuse", None, None, "an .xlsx workbook", "an archive of another kind",
                f"save it as Excel Workbook (.xlsx) and {AGAIN}",
            ))  # fmt: skip
        with unzipped(path, name) as archive:
            return _sheet(archive, path, contract, name, night)
    except Quarantined as problem:
        raise _Stop(_of_guard(problem)) from None
    except (*DAMAGED, KeyError, NotXml) as problem:
        raise _Stop(Finding(
            "refuse", None, None, "a sound workbook", f"a damaged one ({problem})",
            f"open it, save it under the same name, and {AGAIN}",
        )) from None  # fmt: skip


def _sheet(
    archive: zipfile.ZipFile, path: Path, contract: Contract, name: str, night: dt.date | None
) -> Look:
    """The contract's sheet of a workbook that passed the guards."""
    from cityperf.load.readers.workbook_parts import book_of, facts_of, percent_styles

    if b"macroEnabled" in archive.read("[Content_Types].xml"):
        raise Quarantined("a workbook without macros", "one with macros", name, "")
    book = book_of(archive)
    sheet = _chosen(path, contract, book)
    rows, line, column = _top(path, sheet.title)
    place = _place(contract, sheet, rows, line, column)
    block = rows[: place.header_line - line], line, column
    percent = [place.letters[str(c.name)] for c in contract.named_columns
               if c.type == "percent" and c.name in place.letters]  # fmt: skip
    facts = facts_of(archive, sheet, percent, percent_styles(archive) if percent else ())
    findings = [
        *_twins(sheet, book),
        *_title_block(contract, sheet, block, name, night),
        *_table(sheet, place, facts),
        *_surroundings(sheet, book, facts, place),
    ]
    above = next((c for c in contract.named_columns if c.name == "division" and c.above), None)
    said = _said(above, *block) if above else None
    return Look(findings, sheet.title, said.text if said else None, place.header_line, place.letters, facts)


def _of_guard(problem: Quarantined) -> Finding:
    """What the guards against hostile files say, in words for the person who handed it in."""
    remedies = {
        "one with macros": f"save it as Excel Workbook (.xlsx), which carries none, and {AGAIN}",
        "a binary one (.xlsb)": f"save it as Excel Workbook (.xlsx) and {AGAIN}",
    }
    remedy = remedies.get(problem.found, problem.remedy)
    if problem.found.startswith("a damaged one"):
        remedy = f"open it, save it under the same name, and {AGAIN}"
    return Finding("refuse", None, None, problem.expected, problem.found, remedy)


def _chosen(path: Path, contract: Contract, book: Book) -> Sheet:
    """The sheet that the contract reads. Stops when it is not there, naming the one that looks like it."""
    wanted = contract.extract.read.sheets
    titles = wanted if isinstance(wanted, tuple) else tuple(sheet.title for sheet in book.sheets[:1])
    for sheet in book.sheets:
        if sheet.title.strip().casefold() in {title.strip().casefold() for title in titles}:
            return sheet
    title = titles[0] if titles else contract.title
    there = ", ".join(repr(sheet.title) for sheet in book.sheets[:MOST]) or "no sheet"
    for sheet in book.sheets:
        if _has_header(contract, _top(path, sheet.title)[0]):
            raise _Stop(Finding(
                "refuse", sheet.title, None, f"a sheet named {title!r}", f"its columns on the sheet {sheet.title!r}",
                f"rename the sheet to {title!r} and {AGAIN}",
            ))  # fmt: skip
    raise _Stop(Finding(
        "refuse", None, None, f"a sheet named {title!r}", there,
        f"hand in the workbook made from the template: {template_hint(contract)}",
    ))  # fmt: skip


def _top(path: Path, title: str) -> tuple[list[list[Any]], int, int]:
    """The sheet's first used lines, and the line and column (from 1) at which they begin."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        sheet = CalamineWorkbook.from_path(path).get_sheet_by_name(title)
        line, column = sheet.start or (0, 0)
        return sheet.to_python(nrows=TOP), line + 1, column + 1
    except CalamineError as problem:
        raise ValueError(str(problem)) from None
    except BaseException as problem:
        if type(problem).__name__ != "PanicException":  # the Rust library's own
            raise
        raise ValueError(str(problem)) from None


def _texts(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    from cityperf.load.readers.workbook import cell_text

    return [[cell_text(cell) or "" for cell in row] for row in rows]


def _has_header(contract: Contract, rows: list[list[Any]]) -> bool:
    texts = _texts(rows)
    position = find_header(contract, texts)
    if position is None:
        return False
    above = [str(column.name) for column in contract.named_columns if column.above]
    try:
        return not match_header(contract, texts[position], "", above).missing
    except Quarantined:
        return False


# -- where the table stands ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Place:
    header_line: int
    first: int  # column, from 1
    last: int
    letters: dict[str, str]


def _place(contract: Contract, sheet: Sheet, rows: list[list[Any]], line: int, column: int) -> _Place:
    """Where the header stands. Stops when the sheet has no header that the contract accepts."""
    from cityperf.load.readers.workbook_parts import letters_of

    texts = _texts(rows)
    position = find_header(contract, texts)
    headers = ", ".join(c.header[0] for c in contract.named_columns if c.header)
    again = f"put the header back as in the template ({template_hint(contract)}) and {AGAIN}"
    if position is None:
        raise _Stop(Finding(
            "refuse", sheet.title, None, f"a row with the column headers {headers}",
            "none among its first lines" if any(map(any, texts)) else "an empty sheet", again,
        ))  # fmt: skip
    above = [str(c.name) for c in contract.named_columns if c.above]
    try:
        layout = match_header(contract, texts[position], sheet.title, above)
    except Quarantined as problem:
        raise _Stop(Finding(
            "refuse", sheet.title, f"row {line + position}", problem.expected, problem.found, again
        )) from None  # fmt: skip
    letters = {target: letters_of(column + at) for at, target in enumerate(layout.targets) if target}
    named = [at for at, cell in enumerate(texts[position]) if cell.strip()]
    return _Place(line + position, column + named[0], column + named[-1], letters)


# -- the title block -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Said:
    """A value of the title block: its cell, itself, and as text."""

    cell: str
    value: Any
    text: str


def _title_block(
    contract: Contract,
    sheet: Sheet,
    block: tuple[list[list[Any]], int, int],
    name: str,
    night: dt.date | None,
) -> Iterator[Finding]:
    checks: dict[str, Callable[..., Iterator[tuple[str, str, str]]]] = {
        "template": _wrong_template, "division": _wrong_division, "as_of": _wrong_day,
    }  # fmt: skip
    found = re.search(str(contract.extract.arguments.get("match", "")), name)
    groups = found.groupdict() if found else {}
    for column in contract.named_columns:
        if not column.above:
            continue
        said = _said(column, *block)
        if said is None:
            yield Finding(
                "refuse", sheet.title, None, f"{column.above!r} in the title block above the table", "no such label",
                f"put it back as in the template ({template_hint(contract)}) and {AGAIN}",
            )  # fmt: skip
            continue
        check = checks.get(str(column.name))
        mistakes = check(contract, column, said, groups, night) if check else ()
        for expected, what, remedy in mistakes:
            yield Finding("refuse", sheet.title, said.cell, expected, what, f"{remedy} and {AGAIN}")


def _said(column: Column, rows: list[list[Any]], line: int, first: int) -> _Said | None:
    """What stands beside or behind the column's label; None when the label is not there."""
    from cityperf.load.readers.workbook_parts import letters_of

    label = normal(column.above or "")
    for at, (row, texts) in enumerate(zip(rows, _texts(rows), strict=True)):
        for position, text in enumerate(texts):
            if not normal(text).startswith(label):
                continue
            rest = " ".join(text.split())[len(label) :].lstrip(" :")
            if rest:
                return _Said(f"{letters_of(first + position)}{line + at}", rest, rest)
            beside = next((p for p in range(position + 1, len(texts)) if texts[p].strip()), None)
            target = position + 1 if beside is None else beside
            cell = f"{letters_of(first + target)}{line + at}"
            return _Said(cell, "", "") if beside is None else _Said(cell, row[beside], texts[beside].strip())
    return None


def _wrong_template(
    contract: Contract, _column: Column, said: _Said, _groups: Mapping[str, Any], _night: object
) -> Iterator[tuple[str, str, str]]:
    folder = str(contract.extract.arguments.get("folder", ""))
    version = contract.register.version if contract.register else 1
    wanted = f"{folder} v{version}"
    if normal(said.text) == normal(wanted):
        return
    move = f"copy the rows into the template {wanted} ({template_hint(contract)})"
    found = re.fullmatch(r"\s*(.+?)\s+v(\d+)\s*", said.text)
    if not said.text:
        yield f"the template's version, {wanted}", "an empty cell", move
    elif found and normal(found[1]) != normal(folder):
        yield (
            f"a workbook of {folder!r}", f"one of {found[1]!r}",
            f"drop it in the folder {found[1]!r}, or {move}",
        )  # fmt: skip
    else:
        yield f"the template {wanted}", f"{said.text!r}, another version of it", move


def _wrong_division(
    contract: Contract, column: Column, said: _Said, groups: Mapping[str, Any], _night: object
) -> Iterator[tuple[str, str, str]]:
    if not said.text:
        yield (
            f"a division's name beside {column.above!r}",
            "an empty cell",
            "choose the division from the list",
        )
        return
    known = (contract.register.divisions if contract.register else ()) or (contract.owner.division,)
    if normal(said.text) not in {normal(each) for each in known}:
        listed = ", ".join(known[:MOST]) + (f" and {len(known) - MOST} more" if len(known) > MOST else "")
        yield f"one of the divisions {listed}", repr(said.text), "choose the division from the list"
    elif (key := groups.get("division_key")) and key.lower() != division_key(said.text):
        yield (
            f"the division of the file's name, {key!r}", repr(said.text),
            "mend the name of the file or the division in the sheet",
        )  # fmt: skip


def _wrong_day(
    contract: Contract, column: Column, said: _Said, groups: Mapping[str, Any], night: dt.date | None
) -> Iterator[tuple[str, str, str]]:
    expected = f"the last day that the sheet reflects (YYYY-MM-DD) beside {column.above!r}"
    if not said.text:
        yield expected, "an empty cell", "type the date"
        return
    day = _day(said)
    if day is None:
        yield expected, f"{said.text!r}{unclear(said.text)}", "type the date as YYYY-MM-DD"
    elif not 1990 <= day.year <= 2100:
        yield (
            expected,
            f"{day}",
            "type the date as YYYY-MM-DD; the cell holds a number that is shown as a date",
        )
    elif night is not None and day > night:
        yield (
            f"a day up to {night}, the night of the hand-in",
            f"{day}",
            "type the last day that the sheet reflects",
        )
    elif (told := groups.get("as_of")) and told != day.isoformat():
        yield (
            f"the date of the file's name, {told}", f"{day}",
            "mend the name of the file or the date in the sheet",
        )  # fmt: skip


def _day(said: _Said) -> dt.date | None:
    if isinstance(said.value, dt.datetime):
        return said.value.date()
    if isinstance(said.value, dt.date):
        return said.value
    try:
        return dt.date.fromisoformat(said.text)
    except ValueError:
        return None


def unclear(text: str) -> str:
    """What a date with slashes might mean, if it may mean two things; else nothing."""
    found = re.fullmatch(r"\s*(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})\s*", text)
    if not found:
        return ""
    first, second, year = map(int, found.groups())
    if first == second or not (1 <= first <= 12 and 1 <= second <= 12):
        return ""
    return f" (may be {year}-{second:02d}-{first:02d} or {year}-{first:02d}-{second:02d})"


# -- the table and what is around it -------------------------------------------------------------------------
_COPY: Final = re.compile(
    r"(?i)^(?:copy of|copie de)?\s*(.+?)(?:\s*\(\d+\)|\s*[-_]\s*(?:copy|copie)|[ _]\d{1,2})?$"
)


def _twins(sheet: Sheet, book: Book) -> Iterator[Finding]:
    for other in book.sheets:
        bare = _COPY.match(other.title.strip())
        if other.title != sheet.title and bare and normal(bare[1]) == normal(sheet.title):
            yield Finding(
                "refuse", other.title, None, f"one sheet {sheet.title!r}", f"also {other.title!r}, which looks like a copy",
                f"keep the right rows on {sheet.title!r}, delete {other.title!r}, and {AGAIN}",
            )  # fmt: skip


def _table(sheet: Sheet, place: _Place, facts: Facts) -> Iterator[Finding]:
    """What holds the file or a row of the table itself."""
    from cityperf.load.readers.workbook_parts import corners, letters_of, number_of

    for area in facts.merged:
        left, _, right, bottom = corners(area)
        if bottom >= place.header_line and left <= place.last and right >= place.first:
            yield Finding(
                "refuse", sheet.title, area, "no merged cells in the table", "merged cells",
                f"unmerge them (Home, Merge & Center), fill every cell, and {AGAIN}",
            )  # fmt: skip
    for cell, line in _inside(facts.errors, place):
        yield Finding(
            "refuse", sheet.title, cell, "a value", f"the error {facts.errors[cell]}",
            "type the value in place of the formula, or mend the formula", line,
        )  # fmt: skip
    for cell, line in _inside(facts.uncached, place):
        yield Finding(
            "refuse", sheet.title, cell, "a value", "a formula that was never calculated",
            "open the workbook in Excel or LibreOffice and save it, or type the value", line,
        )  # fmt: skip
    for line, (_, last) in facts.filled.items():
        if line > place.header_line and number_of(last) > place.last:
            yield Finding(
                "refuse", sheet.title, f"{last}{line}", f"nothing right of column {letters_of(place.last)}",
                "a value", "move it into the table (a comment column) or clear the cell", line,
            )  # fmt: skip
    for area in facts.totals:
        line = corners(area)[3]
        if line in facts.filled and line > place.header_line:
            yield Finding(
                "refuse", sheet.title, f"row {line}", "no row of totals", "the table's row of totals",
                "switch it off (Table Design, Total Row)", line,
            )  # fmt: skip


def _inside(cells: Sequence[str] | Mapping[str, str], place: _Place) -> Iterator[tuple[str, int]]:
    """(cell, line) of those that lie below the header and in its columns."""
    from cityperf.load.readers.workbook_parts import corners

    for cell in cells:
        column, line, _, _ = corners(cell)
        if line > place.header_line and place.first <= column <= place.last:
            yield cell, line


def _surroundings(sheet: Sheet, book: Book, facts: Facts, place: _Place) -> Iterator[Finding]:
    """What is worth a look and holds nothing."""
    from cityperf.load.readers.workbook_parts import letters_of

    if sheet.hidden:
        yield Finding(
            "warn", sheet.title, None, "a sheet that can be seen", "a hidden one; its rows were read",
            "unhide it (right-click a tab, Unhide) and check that it is the right one",
        )  # fmt: skip
    lines = [each for each in facts.hidden_lines if each > place.header_line and each in facts.filled]
    if lines:
        yield Finding(
            "warn", sheet.title, _lines(lines), "no hidden rows", f"{len(lines)} hidden rows with values; they were read",
            "show all rows and delete those that do not belong",
        )  # fmt: skip
    hidden = [
        n
        for first, last in facts.hidden_columns
        for n in range(max(first, place.first), min(last, place.last) + 1)
    ]
    if hidden:
        names = ", ".join(letters_of(number) for number in hidden[:MOST])
        yield Finding(
            "warn", sheet.title, f"column {names}", "no hidden columns", "hidden columns; they were read",
            "unhide them and check what they say",
        )  # fmt: skip
    if facts.filtered:
        yield Finding(
            "warn", sheet.title, None, "a table without a filter", "one that is filtered; all of its rows were read",
            "clear the filter and check the rows that it hid",
        )  # fmt: skip
    if book.from_1904:
        yield Finding(
            "warn", None, None, "dates counted from 1900", "a workbook that counts them from 1904",
            "check the dates that were pasted from other workbooks: they may be four years and a day off",
        )  # fmt: skip
    if book.links:
        yield Finding(
            "warn", None, None, "no links to other workbooks", "links to other workbooks; their last values were read",
            "break the links (Data, Edit Links) so that the values are those that you see",
        )  # fmt: skip
    below = [line for line in facts.filled if line > place.header_line]
    for before, line in pairwise(below):
        if line > before + 1 and facts.filled[line][0] <= 2:
            yield Finding(
                "warn", sheet.title, f"row {line}", "nothing below the table",
                "a line of one or two cells after an empty one; it was read as a row",
                "move notes to another sheet; fill the row if it is one",
            )  # fmt: skip
            break


def _lines(lines: Sequence[int]) -> str:
    """Lines as a person would list them: rows 7-9, 12."""
    spans: list[list[int]] = []
    for line in lines:
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans[:MOST])
    return f"rows {shown}" + (" and more" if len(spans) > MOST else "")
