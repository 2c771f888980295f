"""What a reader gives: records of text, one by one or in blocks ready for COPY."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from cityperf.load.quarantined import BadRow
from cityperf.load.readers.limits import limits

ASK: Final = "ask the publisher for a sound file; what was loaded before stays"
BLOCK: Final = 500  # records in a block


class Record(NamedTuple):
    """One record: its number in the file, its line in file or sheet, its sheet, a value per reader column."""

    row: int
    line: int
    sheet: str | None
    values: list[str | None]


class Block(NamedTuple):
    """Some records as COPY's text format: a value per reader column, then number and sheet; empty is null.

    `held` are those that cannot be stored; `size` is the number of both.
    """

    text: str
    held: list[BadRow]
    size: int


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


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

    `blocks()` gives the same faster; while it runs, and while the rows are checked, `notes` may grow. `open_end`: it
    is plain text whose last line has no end, as a whole file may have and a cut one mostly has.
    """

    columns: tuple[str, ...]
    records: Callable[[], Iterator[Record | BadRow]]
    new: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    bytes: Bytes | None = None
    open_end: bool = False
    quick: Callable[[], Iterator[Block]] | None = None

    def blocks(self) -> Iterator[Block]:
        return self.quick() if self.quick else _blocks(self.records())


def block(part: Sequence[Record | BadRow]) -> Block:
    good = [each for each in part if isinstance(each, Record)]
    rows = [[*[value or "" for value in each.values], str(each.row), each.sheet or ""] for each in good]
    return Block(copy_text(rows), [each for each in part if isinstance(each, BadRow)], len(part))


def copy_text(rows: Sequence[Sequence[str]]) -> str:
    """Rows as COPY's text format. Raises nothing: signs that mean something to COPY are escaped."""
    if not rows:
        return ""
    text = "\n".join(map("\t".join, rows))
    if _means_something(text, len(rows), len(rows[0])):
        text = "\n".join("\t".join([cell.translate(_ESCAPES) for cell in row]) for row in rows)
    return text + "\n"


def copy_columns(columns: Sequence[Sequence[str]]) -> str:
    """Columns of one length, at least 1, as COPY's text format: the same as `copy_text` of their rows."""
    text = "\n".join(map("\t".join, zip(*columns, strict=True)))
    if _means_something(text, len(columns[0]), len(columns)):
        return copy_text(list(zip(*columns, strict=True)))
    return text + "\n"


def _means_something(text: str, rows: int, width: int) -> bool:
    """Whether a value holds a sign that COPY would take for its own."""
    if "\\" in text or "\r" in text:
        return True
    return text.count("\n") != rows - 1 or text.count("\t") != rows * (width - 1)


_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def _blocks(records: Iterator[Record | BadRow]) -> Iterator[Block]:
    while part := list(islice(records, BLOCK)):
        yield block(part)


def unstorable(values: Iterable[str | None]) -> str | None:
    """Why PostgreSQL cannot hold these values, or None: a NUL character, bytes foreign to the encoding, or a value
    that is longer than any honest one.
    """
    present = [value for value in values if value]
    text = "".join(present)
    if len(text) > 1 << 20:
        longest, most = max(map(len, present)), limits().field
        if longest > most:
            return f"a value of {longest:,} characters (at most {most:,}: CITYPERF_MAX_FIELD_MB)"
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


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text as it is."""
    if "\x00" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shown(text: str) -> str:
    """A record as it can be stored in quarantine: odd bytes as \\xNN, at most 4,000 characters."""
    plain = text[:5000].encode("utf-8", "surrogateescape" if _escaped(text) else "replace")
    return plain.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")[:4000]


def _escaped(text: str) -> bool:
    try:
        text[:5000].encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character that JSON wrote as \ud800
        return False
    return True


def glimpse(content: bytes, length: int = 60) -> str:
    return repr(" ".join(content[: length * 2].decode("utf-8", "replace").split())[:length])


def is_html(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in start
