"""Readers: from a landed file to records of text, whatever it is - CSV, zip, gzip, workbook, JSON, GeoJSON.

A reader says first which columns it will give (so that the table can be made), then gives the records.
Nothing is typed: a value is the text as found, None when empty. Only a workbook's sheets are held in
memory, and their inflated size is looked at before they are opened.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Protocol, cast

from cityperf.load.header import REVIEW, Layout, check_missing, find_header, match_header, snake
from cityperf.load.quarantined import BadRow, Quarantined
from cityperf.sources import Contract

HEAD: Final = 1 << 20  # bytes looked at to find encoding and header
HEADER_ROWS: Final = 25  # rows in which a header is looked for
FIELD_LIMIT: Final = 1 << 20  # characters of one CSV field; longer means that a quote was never closed
SPAN: Final = 50  # lines of one ragged record; more means that a stray quote has swallowed other records
CHUNK: Final = 1 << 20  # bytes read at once; smaller ones cost the client more wake-ups than COPY needs
MAX_INFLATED: Final = 8 << 30  # bytes of one archive member, which is streamed
MAX_WORKBOOK: Final = 512 << 20  # bytes of a workbook's parts together, which are held in memory
MAX_RATIO: Final = 150  # inflated to compressed size, looked at above 16 MB
MAX_ENTRIES: Final = 2000
PG_ENCODINGS: Final = {
    "utf-8": "UTF8",
    "ascii": "UTF8",
    "cp1252": "WIN1252",
    "cp1250": "WIN1250",
    "iso8859-1": "LATIN1",
    "iso8859-15": "LATIN9",
}
ASK: Final = "ask the publisher for a sound file; what was loaded before stays"


class Record(NamedTuple):
    """One record: its number in the file, its line in file or sheet, its sheet, a value per reader column."""

    row: int
    line: int
    sheet: str | None
    values: list[str | None]


@dataclass(frozen=True)
class Bytes:
    """A CSV that PostgreSQL can read by itself: `targets` name the columns in file order (None: left out)."""

    targets: tuple[str | None, ...]
    unnamed: tuple[int, ...]
    encoding: str
    delimiter: str
    open: Callable[[], Any]


@dataclass(frozen=True)
class Reader:
    """A file that was understood. `columns` are columns of raw; `records()` gives them in file order.

    `open_end`: it is plain text whose last line has no end, as a whole file may have and a cut one mostly
    has.
    """

    columns: tuple[str, ...]
    records: Callable[[], Iterator[Record | BadRow]]
    new: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bytes: Bytes | None = None
    open_end: bool = False


def open_file(contract: Contract, path: Path, name: str) -> Reader:
    """A reader for a landed file. Raises Quarantined when the file is not what the contract speaks of."""
    read = contract.extract.read
    with path.open("rb") as handle:
        head = handle.read(4096)
    if not head.strip(b" \t\r\n\xef\xbb\xbf\x00"):
        raise Quarantined("a file with content", f"an empty file of {path.stat().st_size} bytes", name, ASK)
    if _is_html(head):
        raise Quarantined(
            f"a {read.format} file",
            f"an HTML page: {_glimpse(head)}",
            name,
            "open the address by hand; the publisher may show a notice in its place",
        )
    if contract.extract.connector in ("statcan_wds", "boc_valet") or read.format == "json":
        return _json_reader(contract, path, name)
    if read.format == "geojson":
        return _geojson_reader(contract, path, name)
    old_workbook = head.startswith(b"\xd0\xcf\x11\xe0")
    if read.format == "xlsx" or old_workbook or (read.format == "auto" and _is_workbook(path, name)):
        if not (old_workbook or head.startswith(b"PK")):
            raise Quarantined("a workbook", f"something that begins {_glimpse(head)}", name, ASK)
        return _workbook_reader(contract, path, name)
    return _csv_reader(contract, path, name)


# -- CSV -----------------------------------------------------------------------------------------------------
def _csv_reader(contract: Contract, path: Path, name: str) -> Reader:
    read = contract.extract.read
    with _plain_bytes(contract, path, name) as (stream, inner):
        head = stream.read(HEAD)
    where = f"{name}, {inner}" if inner else name
    if not head.strip(b" \t\r\n\xef\xbb\xbf\x00"):
        raise Quarantined("a CSV file with content", "an empty one", where, ASK)
    if _is_html(head):
        raise Quarantined("a CSV file", f"an HTML page: {_glimpse(head)}", where, ASK)
    encoding, skip, note = _encoding(read.encoding, head, where)
    delimiter, lines, rows = _header_rows(contract, head[skip:], encoding, read.delimiter)
    position = find_header(contract, rows)
    if position is None:
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
    start = skip + _offset(head[skip:], header_lines)

    @contextmanager
    def below(position: int) -> Iterator[_Readable]:
        with _plain_bytes(contract, path, name) as (stream, _):
            stream.read(position)
            yield stream

    def records() -> Iterator[Record | BadRow]:
        with below(skip) as stream:
            yield from _csv_records(stream, encoding, delimiter, layout, width, header_lines, where)

    columns = tuple(target for target in layout.targets if target)
    by_server = None
    if encoding in PG_ENCODINGS and len(columns) > 1 and delimiter.isascii():
        by_server = Bytes(
            layout.targets, layout.unnamed, PG_ENCODINGS[encoding], delimiter, lambda: below(start)
        )
    open_end = _ends_openly(path) and not encoding.startswith("utf-16")
    return Reader(columns, records, layout.new, layout.missing, tuple(notes), by_server, open_end)


@contextmanager
def _plain_bytes(contract: Contract, path: Path, name: str) -> Iterator[tuple[_Readable, str]]:
    """The CSV's bytes, out of a zip or gzip if it is in one, and the member's name."""
    with path.open("rb") as handle:
        magic = handle.read(4)
        handle.seek(0)
        if magic.startswith(b"\x1f\x8b"):
            yield _Bounded(gzip.GzipFile(fileobj=handle), path.stat().st_size, name), ""
        elif magic == b"PK\x03\x04" or contract.extract.read.inside_zip:
            with _unzipped(handle, name) as archive:
                member = _member(contract, archive, name)
                try:
                    inner = archive.open(member)
                except _DAMAGED as problem:
                    raise Quarantined(
                        "a sound zip archive", f"a damaged one ({problem})", name, ASK
                    ) from None
                with inner:
                    yield _Bounded(inner, member.compress_size, f"{name}, {member.filename}"), member.filename
        else:
            yield handle, ""


# What Python's zipfile and its decompressors raise for damaged content, which is more than they document.
_DAMAGED: Final = (
    zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
    RuntimeError, NotImplementedError, UnicodeDecodeError, ValueError,
)  # fmt: skip


def _unzipped(source: IO[bytes] | Path, name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except _DAMAGED as problem:
        raise Quarantined("a sound zip archive", f"a damaged one ({problem})", name, ASK) from None


def _ends_openly(path: Path) -> bool:
    with path.open("rb") as handle:
        if handle.read(2) in (b"\x1f\x8b", b"PK"):
            return False  # a cut archive shows by itself
        handle.seek(-1, 2)
        return handle.read(1) not in (b"\n", b"\r")


def _member(contract: Contract, archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    pattern = contract.extract.read.member
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise Quarantined(f"at most {MAX_ENTRIES} files in the archive", str(len(entries)), name, ASK)
    files = [
        entry
        for entry in entries
        if not entry.is_dir()
        and (
            re.search(pattern, entry.filename)
            if pattern
            else entry.filename.lower().endswith((".csv", ".txt"))
        )
    ]
    if not pattern and len(files) > 1:  # a readme beside the data
        files = [entry for entry in files if entry.filename.lower().endswith(".csv")]
    if len(files) != 1:
        found = ", ".join(entry.filename for entry in entries[:8]) or "an empty archive"
        raise Quarantined(
            "one CSV file in the archive", found, name, "say which with `member` in the contract"
        )
    if files[0].flag_bits & 1:
        raise Quarantined("a readable archive", "one with a password", name, ASK)
    if files[0].file_size > MAX_INFLATED or _bomb(files[0]):
        raise Quarantined(
            f"at most {MAX_INFLATED >> 30} GB, compressed at most {MAX_RATIO}-fold",
            f"{files[0].file_size} bytes out of {files[0].compress_size}",
            f"{name}, {files[0].filename}",
            "this looks like a zip bomb; " + ASK,
        )
    return files[0]


def _bomb(entry: zipfile.ZipInfo) -> bool:
    return entry.file_size > 16 << 20 and entry.file_size > MAX_RATIO * max(1, entry.compress_size)


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Bounded(io.RawIOBase):
    """An inflating stream that gives up when it grows past what its compressed size can honestly hold."""

    def __init__(self, inner: Any, compressed: int, where: str) -> None:
        super().__init__()
        self._inner, self._compressed, self._where, self._given = inner, compressed, where, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            chunk: bytes = self._inner.read(size)
        except _DAMAGED as problem:
            raise Quarantined(
                "a whole archive", f"one that breaks off or is damaged ({problem})", self._where, ASK
            ) from None
        self._given += len(chunk)
        if self._given > MAX_INFLATED or (
            self._given > 16 << 20 and self._given > MAX_RATIO * self._compressed
        ):
            raise Quarantined(
                f"content compressed at most {MAX_RATIO}-fold",
                f"over {self._given} bytes out of {self._compressed}",
                self._where,
                "this looks like a zip bomb; " + ASK,
            )
        return chunk

    def readinto(self, buffer: Any) -> int:
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _encoding(declared: str, head: bytes, where: str) -> tuple[str, int, str | None]:
    """(codec, bytes of byte order mark to skip, a note if it is not what the contract says)."""
    import codecs

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
    for candidate in dict.fromkeys((delimiter, ",", ";", "\t", "|")):
        csv.field_size_limit(FIELD_LIMIT)
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


def _csv_records(
    stream: _Readable, encoding: str, delimiter: str, layout: Layout, width: int, line: int, where: str
) -> Iterator[Record | BadRow]:
    """Records one by one in Python, below `line` lines of header; slower than COPY, but it finds bad rows."""
    csv.field_size_limit(FIELD_LIMIT)
    raw = (
        stream
        if isinstance(stream, io.BufferedReader)
        else io.BufferedReader(cast(io.RawIOBase, stream), CHUNK)
    )
    wrapper = io.TextIOWrapper(raw, encoding, "surrogateescape", newline="")
    for _ in range(line):
        wrapper.readline()
    text = _Lines(wrapper)
    keep = [position for position, target in enumerate(layout.targets) if target]
    unnamed = [position for position in layout.unnamed if position < width]
    row = 0
    begun = here = line + 1
    open_quote = False
    short: BadRow | None = None  # only when nothing follows is a short row the cut end of the file
    try:
        source = csv.reader(text, delimiter=delimiter)
        for cells in source:
            open_quote, text.quotes = text.quotes % 2 == 1, 0
            begun, here = line + source.line_num + 1, begun
            if not cells or (not cells[0] and not any(cell.strip() for cell in cells)):
                continue
            if short is not None:
                yield short
                short = None
            row += 1
            if len(cells) < width or (len(cells) > width and any(cell.strip() for cell in cells[width:])):
                if begun - here > SPAN:
                    raise Quarantined(
                        f"{width} fields", f"a quote that opens and runs over {begun - here} lines",
                        f"{where}, line {here}", ASK,
                    )  # fmt: skip
                ragged = _bad_row(
                    row, here, cells, f"{width} fields", f"{len(cells)} fields", "the row is ragged"
                )
                if len(cells) < width:
                    short = ragged
                else:
                    yield ragged
                continue
            values = [cells[p] or None for p in keep]
            stray = [cells[p] for p in unnamed if cells[p].strip()] if unnamed else None
            if stray:
                yield _bad_row(
                    row, here, cells, "nothing in a column without a header", stray[0], "a stray value"
                )
            elif problem := unstorable(values):
                yield _bad_row(
                    row, here, cells, f"text in {encoding}", problem, "the row cannot be stored as text"
                )
            else:
                yield Record(row, here, None, values)
    except csv.Error as problem:
        raise Quarantined(
            "CSV fields of reasonable length",
            f"{problem}: a quote that opens about line {begun} is never closed",
            where, ASK,
        ) from None  # fmt: skip
    finally:
        wrapper.detach()
    whole = text.last.endswith(("\n", "\r"))
    if (not whole and (open_quote or short is not None)) or (open_quote and begun - here > 1):
        found = short.found if short is not None else "a quote that is never closed"
        raise Quarantined(
            f"{width} fields in the last record", f"{found} and the end of the file: it was cut off",
            f"{where}, line {here}", ASK,
        )  # fmt: skip
    if short is not None:
        yield short


def _bad_row(row: int, line: int, cells: Sequence[str], expected: str, found: str, reason: str) -> BadRow:
    return BadRow(row, line, None, None, expected, found, reason, _shown(",".join(cells)))


class _Lines:
    """Lines of a text, remembering the last one and how many quotes were seen since `quotes` was set to 0."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self.last, self.quotes = text, "", 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline()
        if not line:
            raise StopIteration
        self.last = line
        self.quotes += line.count('"')
        return line


def unstorable(values: Iterable[str | None]) -> str | None:
    """Why PostgreSQL cannot hold these values, or None: a NUL character, or bytes foreign to the encoding."""
    text = "".join(filter(None, values))
    if text.isascii() and "\x00" not in text:
        return None
    if "\x00" in text:
        return "a NUL character"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as problem:
        code = ord(text[problem.start])
        return (
            f"the byte 0x{code - 0xDC00:02x}"
            if 0xDC80 <= code <= 0xDCFF
            else f"half a character (U+{code:04X})"
        )
    return None


def _shown(text: str) -> str:
    """A record as it can be stored in quarantine: odd bytes as \\xNN, at most 4,000 characters."""
    plain = (
        text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\x00", "\\x00")
    )
    return plain[:4000]


# -- workbooks -----------------------------------------------------------------------------------------------
def _is_workbook(path: Path, name: str) -> bool:
    with path.open("rb") as handle:
        if handle.read(4) != b"PK\x03\x04":
            return False
    with _unzipped(path, name) as archive:
        return any(entry in ("xl/workbook.xml", "xl/workbook.bin") for entry in archive.namelist())


def check_workbook(path: Path, name: str) -> None:
    """Raises Quarantined for an archive that is damaged, too large once inflated, or carries macros."""
    with _unzipped(path, name) as archive:
        entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)
    bombs = [entry for entry in entries if _bomb(entry)]
    if len(entries) > MAX_ENTRIES or total > MAX_WORKBOOK or bombs:
        raise Quarantined(
            f"a workbook of at most {MAX_WORKBOOK >> 20} MB once inflated, compressed at most "
            f"{MAX_RATIO}-fold",
            f"{total >> 20} MB out of {path.stat().st_size >> 10} KB in {len(entries)} parts",
            name,
            "this looks like a zip bomb; " + ASK,
        )
    if any(entry.filename.lower().endswith("vbaproject.bin") for entry in entries):
        raise Quarantined(
            "a workbook without macros", "one with macros", name, "have it saved as .xlsx without them"
        )


def _workbook_reader(contract: Contract, path: Path, name: str) -> Reader:
    from python_calamine import CalamineError, CalamineWorkbook

    with path.open("rb") as handle:
        if handle.read(2) == b"PK":
            check_workbook(path, name)
    notes: list[str] = []
    layouts: list[tuple[str, Any, int, Layout]] = []
    try:
        book = CalamineWorkbook.from_path(path)
        wanted = _sheets(contract, book.sheet_names, name)
        for title in wanted:
            sheet = book.get_sheet_by_name(title)
            first = [[_cell(cell) or "" for cell in row] for row in sheet.to_python(nrows=HEADER_ROWS)]
            position = find_header(contract, first)
            where = f"{name}, sheet {title!r}"
            if position is None:
                if any(any(row) for row in first):
                    notes.append(f"sheet {title!r} was passed over: it has no header like the contract's")
                continue
            top = sheet.start[0] if sheet.start else 0
            layouts.append(
                (
                    title,
                    sheet,
                    position,
                    match_header(contract, first[position], f"{where}, row {top + position + 1}"),
                )
            )
    except CalamineError as problem:
        raise Quarantined(
            "a readable workbook", f"a damaged or protected one ({problem})", name, ASK
        ) from None
    if not layouts:
        check_missing(contract, set(), [], name)
        raise Quarantined(
            "a sheet with the contract's columns", f"none among {', '.join(map(repr, wanted))}", name, REVIEW
        )
    columns: dict[str, None] = {}
    new: dict[str, str] = {}
    for _, _, _, layout in layouts:
        columns |= dict.fromkeys(target for target in layout.targets if target)
        new |= layout.new
    order = {column: position for position, column in enumerate(columns)}

    def records() -> Iterator[Record | BadRow]:
        row = 0
        for title, sheet, position, layout in layouts:
            top = sheet.start[0] if sheet.start else 0
            places = [(p, order[target]) for p, target in enumerate(layout.targets) if target]
            unnamed = layout.unnamed
            for index, cells in enumerate(sheet.iter_rows()):  # from the sheet's first row, filled or not
                if index - top <= position:
                    continue
                values: list[str | None] = [None] * len(order)
                for source, target in places:
                    values[target] = _cell(cells[source]) if source < len(cells) else None
                stray = next((text for p in unnamed if p < len(cells) and (text := _cell(cells[p]))), None)
                if stray is None and not any(value and value.strip() for value in values):
                    continue
                row += 1
                line = index + 1
                record = _shown(" | ".join(_cell(cell) or "" for cell in cells)) if stray else ""
                problem = unstorable(values)
                if stray:
                    yield BadRow(
                        row,
                        line,
                        title,
                        None,
                        "nothing in a column without a header",
                        stray,
                        "a stray value",
                        record,
                    )
                elif problem:
                    record = _shown(" | ".join(value or "" for value in values))
                    yield BadRow(
                        row, line, title, None, "text", problem, "the row cannot be stored as text", record
                    )
                else:
                    yield Record(row, line, title, values)

    missing = tuple(dict.fromkeys(name for *_, layout in layouts for name in layout.missing))
    return Reader(tuple(columns), records, new, missing, tuple(notes))


def _sheets(contract: Contract, there: Sequence[str], name: str) -> list[str]:
    wanted = contract.extract.read.sheets
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


def _cell(value: object) -> str | None:
    """A workbook's value as text: whole numbers without .0, ISO dates, HH:MM times. Empty is None."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
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


# -- JSON ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Element:
    """An element that becomes a row: itself, the ancestor that `parent` names, and the key it stood under."""

    item: Any
    parent: Mapping[str, Any]
    key: str | None


def _json_reader(contract: Contract, path: Path, name: str) -> Reader:
    read = contract.extract.read
    elements: Callable[[], Iterator[_Element]]
    if contract.extract.connector == "statcan_wds":

        def elements() -> Iterator[_Element]:
            return _walk_file(path, name, "body[].object.vectorDataPoint[]", "body[].object")
    elif contract.extract.connector == "boc_valet":

        def elements() -> Iterator[_Element]:
            return _valet(path, name)
    else:

        def elements() -> Iterator[_Element]:
            return _walk_file(path, name, read.each or "", read.parent)

    named = contract.named_columns
    fallback = contract.extract.connector == "statcan_wds"
    paths = {str(c.name): (c.path or str(c.name)).split(".") for c in named}
    known = _known_keys(contract, paths)
    there: set[str] = set()
    extra: dict[str, list[str]] = {}
    for element in elements():
        for column, parts in paths.items():
            if column not in there and _has(element, parts, fallback):
                there.add(column)
        if isinstance(element.item, dict):
            for key in element.item:
                if key not in known and key not in extra:
                    extra[key] = [key]
        for key in element.parent:
            full = f"parent.{key}"
            if full not in known and full not in extra and not (fallback and key in known):
                extra[full] = ["parent", key]
    check_missing(contract, there, sorted(extra), name)
    new: dict[str, str] = {}
    if contract.drift.new_column != "ignore":
        for label, parts in extra.items():
            column = snake(parts[-1])
            column = column if column not in paths and column not in new else snake(label)
            new[column] = label
            paths[column] = parts
    if new and contract.drift.new_column == "quarantine_file":
        raise Quarantined(
            "only the contract's fields", f"also {', '.join(map(repr, new.values()))}", name, REVIEW
        )
    order = [column for column in paths if column in there or column in new]

    def records() -> Iterator[Record | BadRow]:
        for row, element in enumerate(elements(), 1):
            if not isinstance(element.item, dict):
                yield BadRow(
                    row,
                    row,
                    None,
                    None,
                    "a JSON object",
                    type(element.item).__name__,
                    "not a record",
                    _shown(as_text(element.item) or "null"),
                )
                continue
            values = [as_text(_get(element, paths[column], fallback)) for column in order]
            problem = unstorable(values)
            if problem:
                yield BadRow(
                    row,
                    row,
                    None,
                    None,
                    "text",
                    problem,
                    "the record cannot be stored as text",
                    _shown(as_text(element.item) or ""),
                )
            else:
                yield Record(row, row, None, values)

    return Reader(
        tuple(order),
        records,
        new,
        tuple(str(c.name) for c in named if c.name not in there and not c.optional),
    )


def _known_keys(contract: Contract, paths: Mapping[str, Sequence[str]]) -> set[str]:
    """Keys that need no remark: those the contract reads, ignores, or steps into."""
    known = {parts[0] if parts[0] != "parent" else ".".join(parts[:2]) for parts in paths.values()}
    steps = [name for name, _ in _steps(contract.extract.read.each or "body[].object.vectorDataPoint[]")]
    return known | {f"parent.{name}" for name in steps} | set(contract.ignored)


def _steps(path: str) -> list[tuple[str, bool]]:
    """'measures[].vs[]' → [('measures', True), ('vs', True)]; the flag says that each element is meant."""
    return [(part.removesuffix("[]"), part.endswith("[]")) for part in path.split(".")]


def _walk_file(path: Path, name: str, each: str, parent: str | None) -> Iterator[_Element]:
    """Elements of a JSON file, read as a stream: only one element of the outermost list is in memory."""
    import ijson

    steps = _steps(each)
    depth = len(_steps(parent)) if parent else 0
    outer = next(i for i, (step, many) in enumerate(steps) if many or step == "*")
    step, _ = steps[outer]
    prefix = ".".join(s for s, _ in steps[: outer + 1] if s and s != "*")
    with path.open("rb") as handle:
        _skip_mark(handle)
        try:
            if step == "*":
                pairs = ijson.kvitems(handle, prefix, multiple_values=True)
                for key, value in pairs:
                    yield from _walk(value, steps[outer:], depth - outer, {}, key, entered=True)
            else:
                place = f"{prefix}.item" if prefix else "item"
                for value in ijson.items(handle, place, multiple_values=True):
                    here = value if depth == outer + 1 and isinstance(value, dict) else {}
                    yield from _walk(value, steps[outer + 1 :], depth - outer - 1, here, None)
        except (ijson.JSONError, UnicodeDecodeError) as problem:
            raise Quarantined(
                "sound JSON", f"JSON that breaks off or is damaged ({_first_line(problem)})", name, ASK
            ) from None


def _walk(
    value: Any,
    steps: Sequence[tuple[str, bool]],
    depth: int,
    parent: Mapping[str, Any],
    key: str | None,
    *,
    entered: bool = False,
) -> Iterator[_Element]:
    """Elements below `value`. `depth` counts the steps left until the ancestor that `parent` names is
    reached.
    """
    if entered:  # the value of one key of an object: only its own [] is left to do
        _, many = steps[0]
        rest, depth = steps[1:], depth - 1
        for each in value if many and isinstance(value, list) else [value]:
            here = each if depth == 0 and isinstance(each, dict) else parent
            yield from _walk(each, rest, depth, here, key)
        return
    if not steps:
        yield _Element(value, parent, key)
        return
    name, _ = steps[0]
    if not isinstance(value, dict):
        return
    for found, inner in value.items() if name == "*" else [(name, value[name])] if name in value else []:
        yield from _walk(inner, steps, depth, parent, found if name == "*" else key, entered=True)


def _valet(path: Path, name: str) -> Iterator[_Element]:
    """Valet nests each value under its series: {"d": day, "FXUSDCAD": {"v": "1.37"}} → one element per
    series.
    """
    for element in _walk_file(path, name, "body.observations[]", None):
        day = element.item.get("d")
        for series, inner in element.item.items():
            if series != "d":
                value = inner.get("v") if isinstance(inner, dict) else inner
                yield _Element({"series": series, "date": day, "value": value}, {}, None)


def _has(element: _Element, parts: Sequence[str], fallback: bool) -> bool:
    if parts == ["key"] and element.key is not None:
        return True
    place: Any = element.item
    if parts[0] == "parent":
        place, parts = element.parent, parts[1:]
    elif fallback and isinstance(place, dict) and parts[0] not in place:
        place = element.parent
    for part in parts:
        if not isinstance(place, Mapping) or part not in place:
            return False
        place = place[part]
    return True


def _get(element: _Element, parts: Sequence[str], fallback: bool) -> Any:
    if parts == ["key"] and element.key is not None:
        return element.key
    place: Any = element.item
    if parts[0] == "parent":
        place, parts = element.parent, parts[1:]
    elif fallback and parts[0] not in place:
        place = element.parent
    for part in parts:
        place = place.get(part) if isinstance(place, Mapping) else None
    return place


def as_text(value: Any) -> str | None:
    """A JSON value as text: numbers as they were written, objects and lists as JSON. '' and null are None."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    return _dump(value)


def _dump(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {_dump(v)}" for k, v in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_dump, value)) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _geojson_reader(contract: Contract, path: Path, name: str) -> Reader:
    import ijson

    with path.open("rb") as handle:
        head = handle.read(HEAD)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        columns = head.split(b"\n", 1)[0].count(b",") + 1
        raise Quarantined(
            "GeoJSON with a feature per record",
            f"something else that begins {_glimpse(head)}"
            + (f" with {columns} columns" if columns > 5 else ""),
            name,
            "the file looks damaged, for example by a spreadsheet; " + ASK,
        )
    prefix = "body.features.item" if head.lstrip().startswith(b'{"cityperf_page"') else "features.item"

    def features() -> Iterator[Mapping[str, Any]]:
        with path.open("rb") as handle:
            _skip_mark(handle)
            try:
                for properties in ijson.items(handle, f"{prefix}.properties", multiple_values=True):
                    yield properties or {}
            except (ijson.JSONError, UnicodeDecodeError) as problem:
                raise Quarantined(
                    "sound GeoJSON", f"JSON that breaks off or is damaged ({_first_line(problem)})", name, ASK
                ) from None

    keys: dict[str, None] = {}
    count = 0
    for properties in features():
        keys |= dict.fromkeys(properties)
        count += 1
    if not count:
        raise Quarantined("GeoJSON features", "none", name, ASK)
    header = list(keys)
    layout = match_header(contract, header, f"{name}, properties of its {count} features")
    places = [(header[p], target) for p, target in enumerate(layout.targets) if target]

    def records() -> Iterator[Record | BadRow]:
        for row, properties in enumerate(features(), 1):
            values = [as_text(properties.get(key)) for key, _ in places]
            problem = unstorable(values)
            if problem:
                yield BadRow(
                    row,
                    row,
                    None,
                    None,
                    "text",
                    problem,
                    "the record cannot be stored as text",
                    _shown(as_text(dict(properties)) or ""),
                )
            else:
                yield Record(row, row, None, values)

    return Reader(tuple(target for _, target in places), records, layout.new, layout.missing)


def _skip_mark(handle: IO[bytes]) -> None:
    if handle.read(3) != b"\xef\xbb\xbf":
        handle.seek(0)


def _is_html(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in start


def _glimpse(content: bytes, length: int = 60) -> str:
    return repr(" ".join(content[: length * 2].decode("utf-8", "replace").split())[:length])


def _first_line(problem: BaseException) -> str:
    told = problem.args[0] if problem.args else ""
    text = told.decode("utf-8", "backslashreplace") if isinstance(told, bytes) else str(problem)
    return text.strip().splitlines()[0] if text.strip() else type(problem).__name__
