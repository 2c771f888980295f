"""Workbooks: each sheet by its own header, values as text. A sheet is held in memory by calamine, so its size is
looked at before it is opened.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import NoneType
from typing import Any, Final

from cityperf.load.header import (
    REVIEW,
    Layout,
    check_above,
    check_missing,
    find_header,
    match_header,
    normal,
    side_by_side,
)
from cityperf.load.quarantined import BadRow, Quarantined, refusal
from cityperf.load.readers.csv import HEADER_ROWS
from cityperf.load.readers.records import (
    ASK,
    BLOCK,
    Block,
    Reader,
    Record,
    block,
    copy_columns,
    shown,
    storable,
    unstorable,
)
from cityperf.load.readers.workbook_check import check_workbook
from cityperf.sources import Contract


@dataclass(frozen=True)
class _Table:
    """A table on a sheet: where its header stands, what its columns mean, and how rows of it are named."""

    title: str
    sheet: Any
    position: int  # of the header, counted from the sheet's first used row
    header: tuple[str, ...]
    layout: Layout
    above: dict[str, str | None]

    @property
    def top(self) -> int:
        return self.sheet.start[0] if self.sheet.start else 0


def workbook_reader(contract: Contract, path: Path, name: str) -> Reader:
    from python_calamine import CalamineError, CalamineWorkbook

    with path.open("rb") as handle:
        if handle.read(2) == b"PK":
            check_workbook(path, name)
    notes: list[str] = []
    tables: list[_Table] = []
    try:
        book = CalamineWorkbook.from_path(path)
        wanted = _sheets(contract, book.sheet_names, name)
        for title in wanted:
            tables += _tables(contract, book.get_sheet_by_name(title), title, name, notes)
    except CalamineError as problem:
        raise Quarantined(
            "a readable workbook", f"a damaged or protected one ({problem})", name, ASK
        ) from None
    except BaseException as problem:
        if (
            type(problem).__name__ != "PanicException"
        ):  # what the Rust library raises for what it never expected
            raise
        raise Quarantined("a readable workbook", f"a damaged one ({problem})", name, ASK) from None
    if not tables:
        check_missing(contract, set(), [], name)
        raise Quarantined(
            "a sheet with the contract's columns", f"none among {', '.join(map(repr, wanted))}", name, REVIEW
        )
    columns: dict[str, None] = {}
    new: dict[str, str] = {}
    for table in tables:
        columns |= dict.fromkeys(target for target in table.layout.targets if target)
        columns |= dict.fromkeys(table.above)
        new |= table.layout.new
    order = {column: position for position, column in enumerate(columns)}

    def records() -> Iterator[Record | BadRow]:
        row = 0
        for table in tables:
            for first, rows in _parts(table):
                for record in _judge(table, order, rows, first, row):
                    row += 1
                    yield record

    def blocks() -> Iterator[Block]:
        row = 0
        for table in tables:
            blank = 0  # rows since the last record
            for first, rows in _parts(table):
                found = _quick(table, order, rows, row)
                if found is None:
                    judged = list(_judge(table, order, rows, first, row))
                    found = block(judged)
                    if judged:
                        blank = first + len(rows) - 1 - (judged[-1].line or 0)
                    else:
                        blank += len(rows)
                else:
                    blank = 0
                row += found.size
                yield found
            if blank:
                notes.append(f"sheet {table.title!r}: {blank:,} blank rows below the last record")

    missing = tuple(dict.fromkeys(name for table in tables for name in table.layout.missing))
    return Reader(tuple(columns), records, new, missing, notes, quick=blocks)


def _tables(contract: Contract, sheet: Any, title: str, name: str, notes: list[str]) -> Iterator[_Table]:
    """The tables on a sheet: one, or several side by side where the contract says so; none on a legend."""
    first = [[cell_text(cell) or "" for cell in row] for row in sheet.to_python(nrows=HEADER_ROWS)]
    position = find_header(contract, first)
    where = f"{name}, sheet {title!r}"
    if position is None:
        if any(any(row) for row in first):
            problem = refusal(
                contract, contract.drift.unknown_sheet, "a header like the contract's", "none", where,
                "leave the sheet out with `skip_sheets`, or add its headers to the contract",
            )  # fmt: skip
            if problem:
                raise problem
            if contract.drift.unknown_sheet == "warn":
                notes.append(f"sheet {title!r} was passed over: it has no header like the contract's")
        return
    header = first[position]
    line = (sheet.start[0] if sheet.start else 0) + position + 1
    said = {str(c.name): _said_above(c.above, first[:position]) for c in contract.named_columns if c.above}
    above = {str(c.name): said[str(c.name)] for c in contract.raw_columns if c.above}
    for begin, end in side_by_side(contract, header):
        part = ["" if not begin <= p < end else cell for p, cell in enumerate(header)]
        layout = match_header(contract, part, f"{where}, row {line}", said)
        check_above(contract, layout, first[:position], f"{where}, row {line}")
        if (begin, end) != (0, len(header)):  # what stands beside this table is the next one's
            layout = Layout(layout.targets, (), layout.new, layout.missing)
            yield _Table(f"{title}: {next(filter(None, part))}", sheet, position, tuple(part), layout, above)
        else:
            yield _Table(title, sheet, position, tuple(header), layout, above)


def _said_above(label: str | None, rows: Sequence[Sequence[str]]) -> str | None:
    """What the title block says about `label`: the rest of the cell that begins with it, or the next filled cell."""
    wanted = normal(label or "")
    for row in rows:
        for position, cell in enumerate(row):
            if normal(cell).startswith(wanted):
                rest = " ".join(cell.split())[len(wanted) :].lstrip(" :")
                return rest or next((each.strip() for each in row[position + 1 :] if each.strip()), None)
    return None


def _parts(table: _Table) -> Iterator[tuple[int, list[list[Any]]]]:
    """(line of the first row, some rows) below the header."""
    rows = iter(table.sheet.iter_rows())  # from the sheet's first row, filled or not
    line = table.top + table.position + 2
    for _ in range(line - 1):
        next(rows, None)
    while part := list(islice(rows, BLOCK)):
        yield line, part
        line += len(part)


def _quick(table: _Table, order: dict[str, int], rows: list[list[Any]], row: int) -> Block | None:
    """The rows as a block, column by column; None when one of them needs a closer look."""
    columns = list(zip(*rows, strict=True))
    width, size = len(columns), len(rows)
    if any(p < width and any(map(str.strip, map(str, columns[p]))) for p in table.layout.unnamed):
        return None
    values: list[Sequence[str]] = [[""] * size] * len(order)
    for name, told in table.above.items():
        values[order[name]] = [told or ""] * size
    doubtful: list[Sequence[str]] = []  # columns that may have empty cells
    full = False  # some column has a value in every row, so that none is blank
    for position, target in enumerate(table.layout.targets):
        if target is None or position >= width:
            continue
        texts, filled = _texts(columns[position])
        values[order[target]] = texts
        if not filled:
            doubtful.append(texts)
            if len(doubtful) == 1 and table.header[position] in texts:
                return None  # the header once more, it seems
        else:
            full = True
    if not full and not any(all(map(str.strip, texts)) for texts in doubtful):
        return None
    numbers = list(map(str, range(row + 1, row + 1 + size)))
    text = copy_columns([*values, numbers, [table.title] * size])
    return Block(text, [], size) if storable(text) else None


def _texts(column: Sequence[Any]) -> tuple[Sequence[str], bool]:
    """A column's values as text, and whether certainly none of them is empty."""
    try:
        "".join(column)
    except TypeError:
        pass
    else:
        return column, False  # all are texts
    kinds = set(map(type, column))
    filled = str not in kinds and NoneType not in kinds
    if bool in kinds:  # True and 1.0 are one key
        return [cell_text(value) or "" for value in column], filled
    if len(_KNOWN) > 50_000:
        _KNOWN.clear()
    return list(map(_KNOWN.__getitem__, column)), filled


class _Known(dict[Any, str]):
    """Texts of values seen before: the same few numbers and times come again and again."""

    def __missing__(self, value: Any) -> str:
        text = self[value] = cell_text(value) or ""
        return text


_KNOWN: Final = _Known()


def _judge(
    table: _Table, order: dict[str, int], rows: list[list[Any]], first: int, row: int
) -> Iterator[Record | BadRow]:
    places = [(p, order[target]) for p, target in enumerate(table.layout.targets) if target]
    head = {p: normal(table.header[p]) for p, _ in places}
    for line, cells in enumerate(rows, first):
        values: list[str | None] = [None] * len(order)
        for source, target in places:
            values[target] = cell_text(cells[source]) if source < len(cells) else None
        stray = next(
            (
                text
                for p in table.layout.unnamed
                if p < len(cells) and (text := cell_text(cells[p])) and text.strip()
            ),
            None,
        )
        if stray is None and not any(value and value.strip() for value in values):
            continue
        if stray is None and all(normal(values[target] or "") == head[source] for source, target in places):
            continue  # the header once more
        for name, told in table.above.items():
            values[order[name]] = told
        row += 1
        if stray:
            record = shown(" | ".join(cell_text(cell) or "" for cell in cells))
            expected = "nothing in a column without a header"
            reason = "a stray value"
            yield BadRow(row, line, table.title, None, expected, stray, reason, record, _named(values, order))
        elif problem := unstorable(values):
            record = shown(" | ".join(value or "" for value in values))
            reason = "the row cannot be stored as text"
            yield BadRow(row, line, table.title, None, "text", problem, reason, record)
        else:
            yield Record(row, line, table.title, values)


def _named(values: Sequence[str | None], order: Mapping[str, int]) -> dict[str, str | None]:
    return {name: values[place] for name, place in order.items()}


def _sheets(contract: Contract, there: Sequence[str], name: str) -> list[str]:
    read = contract.extract.read
    if read.skip_sheets:
        there = [title for title in there if not re.search(read.skip_sheets, title)]
    wanted = read.sheets
    if wanted == "all":
        return list(there)
    if isinstance(wanted, tuple):
        chosen = [
            title for title in there if title.strip().casefold() in {w.strip().casefold() for w in wanted}
        ]
        if len(chosen) < len(wanted):
            raise Quarantined(
                f"the sheets {', '.join(map(repr, wanted))}", ", ".join(map(repr, there)), name, REVIEW
            )
        return chosen
    chosen = [title for title in there if re.search(wanted, title)]
    if not chosen:
        raise Quarantined(f"a sheet that matches {wanted!r}", ", ".join(map(repr, there)), name, REVIEW)
    return chosen


def cell_text(value: object) -> str | None:
    """A workbook's value as text: whole numbers without .0, ISO dates, HH:MM times. Empty is None."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, dt.datetime):
        return (
            value.date().isoformat()
            if value.time() == dt.time()
            else value.isoformat(sep=" ", timespec="seconds")
        )
    if isinstance(value, dt.time):
        return value.strftime("%H:%M:%S" if value.second else "%H:%M")
    if isinstance(value, dt.timedelta):
        minutes, seconds = divmod(int(value.total_seconds()), 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")
    if isinstance(value, dt.date):
        return value.isoformat()
    return None if value is None else str(value)
