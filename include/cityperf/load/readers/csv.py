"""CSV, plain or out of a zip or gzip: for COPY byte by byte, or record by record where rows are bad."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

from cityperf.load.header import (
    REVIEW,
    Layout,
    check_above,
    check_missing,
    check_width,
    find_header,
    match_header,
)
from cityperf.load.quarantined import BadRow, Quarantined
from cityperf.load.readers.limits import limits
from cityperf.load.readers.records import (
    ASK,
    Block,
    Bytes,
    Readable,
    Reader,
    Record,
    block,
    copy_text,
    glimpse,
    is_html,
    shown,
    storable,
    unstorable,
)
from cityperf.load.readers.zip import plain_bytes
from cityperf.sources import Contract

HEAD: Final = 1 << 20  # bytes looked at to find encoding and header
HEADER_ROWS: Final = 25  # rows in which a header is looked for
SPAN: Final = 50  # lines of one ragged record; more means that a stray quote has swallowed other records
CHUNK: Final = 1 << 20  # bytes read at once; smaller ones cost the client more wake-ups than COPY needs
PG_ENCODINGS: Final = {
    "utf-8": "UTF8",
    "ascii": "UTF8",
    "cp1252": "WIN1252",
    "cp1250": "WIN1250",
    "iso8859-1": "LATIN1",
    "iso8859-15": "LATIN9",
}


def csv_reader(contract: Contract, path: Path, name: str) -> Reader:
    read = contract.extract.read
    with plain_bytes(contract, path, name) as (stream, inner):
        head = stream.read(HEAD)
    where = f"{name}, {inner}" if inner else name
    if not head.strip(b" \t\r\n\xef\xbb\xbf\x00"):
        raise Quarantined("a CSV file with content", "an empty one", where, ASK)
    if is_html(head):
        raise Quarantined("a CSV file", f"an HTML page: {glimpse(head)}", where, ASK)
    encoding, skip, note = _encoding(read.encoding, head, where)
    delimiter, lines, rows = _header_rows(contract, head[skip:], encoding, read.delimiter)
    position = find_header(contract, rows)
    if position is None:
        check_width(contract, max(rows, key=len, default=[]), where)
        check_missing(contract, set(), rows[0] if rows else [], where)
        raise Quarantined(
            "a header with the contract's columns", f"{rows[0][:10] if rows else 'nothing'}", where, REVIEW
        )
    notes = [note] if note else []
    if delimiter != read.delimiter:
        notes.append(f"the delimiter is {delimiter!r}, the contract says {read.delimiter!r}")
    header_lines = lines[position]
    width = len(rows[position])
    layout = match_header(contract, rows[position], f"{where}, line {header_lines}")
    check_above(contract, layout, rows[:position], f"{where}, line {header_lines}")
    start = skip + _offset(head[skip:], header_lines)

    @contextmanager
    def below(position: int) -> Iterator[Readable]:
        with plain_bytes(contract, path, name) as (stream, _):
            stream.read(position)
            yield stream

    def rows_below(stream: Readable) -> _Rows:
        return _Rows(stream, encoding, delimiter, layout, width, header_lines, where)

    def records() -> Iterator[Record | BadRow]:
        with below(skip) as stream:
            yield from rows_below(stream).records()

    def blocks() -> Iterator[Block]:
        with below(skip) as stream:
            yield from rows_below(stream).blocks()

    columns = tuple(target for target in layout.targets if target)
    by_server = None
    if encoding in PG_ENCODINGS and len(columns) > 1 and delimiter.isascii():
        by_server = Bytes(
            layout.targets, layout.unnamed, PG_ENCODINGS[encoding], delimiter, lambda: below(start)
        )
    open_end = _ends_openly(path) and not encoding.startswith("utf-16")
    return Reader(columns, records, layout.new, layout.missing, notes, by_server, open_end, blocks)


def _ends_openly(path: Path) -> bool:
    with path.open("rb") as handle:
        if handle.read(2) in (b"\x1f\x8b", b"PK"):
            return False  # a cut archive shows by itself
        handle.seek(-1, 2)
        return handle.read(1) not in (b"\n", b"\r")


def _encoding(declared: str, head: bytes, where: str) -> tuple[str, int, str | None]:
    """(codec, bytes of byte order mark to skip, a note if it is not what the contract says)."""
    codec = codecs.lookup(declared).name.removesuffix("-sig")
    if head.startswith(b"\xef\xbb\xbf"):
        return "utf-8", 3, None
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not codec.startswith("utf-16"):
        raise Quarantined(
            f"text in {declared}", "text in UTF-16", where, "say `encoding: utf-16` in the contract"
        )
    if codec.startswith("utf-16"):
        return codec, 0, None
    if head.count(b"\x00") > len(head) // 8:
        raise Quarantined(
            f"text in {declared}", "binary content (every eighth byte or more is zero)", where, ASK
        )
    if codec not in ("utf-8", "ascii") and not head.isascii():
        # cp1252 decodes nearly anything: only the look of the bytes tells that a file has changed to UTF-8
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head)
        except UnicodeDecodeError:
            return codec, 0, None
        return "utf-8", 0, f"the file is in UTF-8, the contract says {declared}"
    return codec, 0, None


def _header_rows(
    contract: Contract, head: bytes, encoding: str, delimiter: str
) -> tuple[str, list[int], list[list[str]]]:
    """(delimiter, last line of each row, the first rows); another delimiter is tried if the contract's fits
    nothing.
    """
    text = head.decode(encoding, "replace")
    first: tuple[str, list[int], list[list[str]]] | None = None
    csv.field_size_limit(limits().field)
    for candidate in dict.fromkeys((delimiter, ",", ";", "\t", "|")):
        source = csv.reader(io.StringIO(text, newline=""), delimiter=candidate)
        lines: list[int] = []
        rows: list[list[str]] = []
        try:
            for row in source:
                if any(cell.strip() for cell in row):
                    lines.append(source.line_num)
                    rows.append(row)
                if len(rows) >= HEADER_ROWS:
                    break
        except csv.Error:
            continue
        first = first or (candidate, lines, rows)
        if find_header(contract, rows) is not None:
            return candidate, lines, rows
    return first or (delimiter, [], [])


def _offset(head: bytes, lines: int) -> int:
    """The byte where line `lines` + 1 begins; lines end with LF, CRLF or CR, as for the csv module."""
    position = 0
    for _ in range(lines):
        found = re.compile(rb"\r\n|\n|\r").search(head, position)
        if found is None:
            return len(head)
        position = found.end()
    return position


class _Lines:
    """The lines of a text, read a megabyte at a time; the last two such chunks are kept.

    `number` counts chunks; `sound` says whether the last two can be stored as they are.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self.number = text, 0
        self._chunks: list[tuple[list[str], bool]] = []

    def __iter__(self) -> Iterator[str]:
        while lines := self._text.readlines(CHUNK):
            self.number += 1
            self._chunks = [*self._chunks[-1:], (lines, storable("".join(lines)))]
            yield from lines

    @property
    def sound(self) -> bool:
        return all(sound for _, sound in self._chunks)

    def last(self, lines: int) -> str:
        """The text of the last lines given, as far as they are kept."""
        kept = [line for chunk, _ in self._chunks for line in chunk]
        return "".join(kept[-lines:])


class _Rows:
    """The rows below the header, read once in Python: slower than COPY, but it finds the bad ones."""

    def __init__(
        self,
        stream: Readable,
        encoding: str,
        delimiter: str,
        layout: Layout,
        width: int,
        line: int,
        where: str,
    ) -> None:
        raw = stream if isinstance(stream, io.BufferedReader) else cast(io.RawIOBase, stream)
        buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw, CHUNK)
        self._text = io.TextIOWrapper(buffered, encoding, "surrogateescape", newline="")
        for _ in range(line):
            self._text.readline()
        self._encoding, self._delimiter, self._where = encoding, delimiter, where
        self._width, self._line = width, line
        self._keep = [position for position, target in enumerate(layout.targets) if target]
        self._unnamed = [position for position in layout.unnamed if position < width]
        self._row = 0
        self._short: BadRow | None = None  # only when nothing follows is a short row the cut end of the file

    def records(self) -> Iterator[Record | BadRow]:
        for rows, begins, _ in self._parts():
            yield from self._judge(rows, begins)
        if self._short is not None:
            yield self._short

    def blocks(self) -> Iterator[Block]:
        all_kept = self._keep == list(range(self._width))
        for rows, begins, sound in self._parts():
            even = sound and self._short is None and set(map(len, rows)) == {self._width}
            if not even or self._unnamed or not all(map(str.strip, map("".join, rows))):
                yield block(list(self._judge(rows, begins)))
                continue
            first = self._row + 1
            self._row += len(rows)
            kept = rows if all_kept else [[cells[p] for p in self._keep] for cells in rows]
            for number, cells in enumerate(kept, first):
                cells += str(number), ""
            yield Block(copy_text(kept), [], len(rows))
        if self._short is not None:
            yield block([self._short])

    def _parts(self) -> Iterator[tuple[list[list[str]], list[int], bool]]:
        """(rows, the line on which each begins, whether all their text can be stored), a megabyte at a time.

        Raises Quarantined at the end when the last row was cut off.
        """
        csv.field_size_limit(limits().field)
        lines = _Lines(self._text)
        source = csv.reader(lines, delimiter=self._delimiter)
        rows: list[list[str]] = []
        begins: list[int] = []
        begin = here = self._line + 1
        at = 0
        try:
            for cells in source:
                rows.append(cells)
                begins.append(begin)
                here, begin = begin, self._line + source.line_num + 1
                if lines.number != at:
                    at = lines.number
                    yield rows, begins, lines.sound
                    rows, begins = [], []
            if rows:
                yield rows, begins, lines.sound
            self._refuse_if_cut(lines.last(begin - here), here, begin - here)
        except csv.Error as problem:
            raise Quarantined(
                "CSV fields of reasonable length",
                f"{problem}: a quote that opens about line {begin} is never closed, or a value is longer than "
                "CITYPERF_MAX_FIELD_MB",
                self._where, ASK,
            ) from None  # fmt: skip
        finally:
            self._text.detach()

    def _refuse_if_cut(self, last: str, line: int, span: int) -> None:
        open_quote = last.count('"') % 2 == 1
        whole = last.endswith(("\n", "\r")) or not last
        if (not whole and (open_quote or self._short is not None)) or (open_quote and span > 1):
            found = self._short.found if self._short is not None else "a quote that is never closed"
            raise Quarantined(
                f"{self._width} fields in the last record", f"{found} and the end of the file: it was cut off",
                f"{self._where}, line {line}", ASK,
            )  # fmt: skip

    def _judge(self, rows: list[list[str]], begins: list[int]) -> Iterator[Record | BadRow]:
        width = self._width
        for position, cells in enumerate(rows):
            if not cells or (not cells[0] and not any(cell.strip() for cell in cells)):
                continue
            if self._short is not None:
                yield self._short
                self._short = None
            self._row += 1
            row, line = self._row, begins[position]
            if len(cells) < width or (len(cells) > width and any(cell.strip() for cell in cells[width:])):
                if sum(cell.count("\n") for cell in cells) > SPAN:
                    raise Quarantined(
                        f"{width} fields", f"a quote that opens and runs over {SPAN} lines or more",
                        f"{self._where}, line {line}", ASK,
                    )  # fmt: skip
                ragged = _bad_row(
                    row, line, cells, f"{width} fields", f"{len(cells)} fields", "the row is ragged"
                )
                if len(cells) < width:
                    self._short = ragged
                else:
                    yield ragged
                continue
            values = [cells[p] or None for p in self._keep]
            stray = [cells[p] for p in self._unnamed if cells[p].strip()] if self._unnamed else None
            if stray:
                yield _bad_row(
                    row, line, cells, "nothing in a column without a header", stray[0], "a stray value"
                )
            elif problem := unstorable(values):
                yield _bad_row(
                    row, line, cells, f"text in {self._encoding}", problem, "the row cannot be stored as text"
                )
            else:
                yield Record(row, line, None, values)


def _bad_row(row: int, line: int, cells: Sequence[str], expected: str, found: str, reason: str) -> BadRow:
    return BadRow(row, line, None, None, expected, found, reason, shown(",".join(cells)))
