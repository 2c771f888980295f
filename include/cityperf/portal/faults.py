"""Faults on purpose: what goes wrong between a publisher and us, injected over real HTTP.

A test (or a person) writes `faults.json` into the profile's folder; the portal reads it again whenever it
changes:

    {"rules": [{"match": "www150.statcan.gc.ca/*", "fault": "status", "status": 429, "retry_after": 1,
    "times": 2},
               {"match": "*/download/SR2024.zip", "fault": "truncate", "keep": 0.5}]}

`match` is a glob over ``host/path`` without the query (or ``drop/folder/name``); a CKAN file also goes by its
package's name in place of the id: ``*/dataset/ttc-*/download/*``. The first rule that matches and is not used
up is applied; `times` says how often (default: always). Without the file nothing is ever disturbed.
"""

from __future__ import annotations

import codecs
import fnmatch
import io
import json
import re
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

_TEXT: Final = (".csv", ".txt")


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    match: str
    times: int | None = Field(default=None, ge=1)
    night: str | None = None  # only for this night, as in the request header


class Status(_Rule):
    """An HTTP error; 429 and 503 may carry Retry-After in seconds."""

    fault: Literal["status"]
    status: int = Field(ge=400, le=599)
    retry_after: int | None = None


class Timeout(_Rule):
    """Nothing comes for `seconds`, then the true answer."""

    fault: Literal["timeout"]
    seconds: float = Field(gt=0)


class Drip(_Rule):
    """The true bytes, `chunk` at a time with a pause of `seconds` after each."""

    fault: Literal["drip"]
    chunk: int = Field(default=1024, ge=1)
    seconds: float = Field(default=0.05, ge=0)


class HalfBody(_Rule):
    """The true Content-Length, then only the `keep` part of the bytes before the connection drops."""

    fault: Literal["half_body"]
    keep: float = Field(default=0.5, ge=0, lt=1)


class Html(_Rule):
    """A page that a person can read, with status 200, where data was asked for."""

    fault: Literal["html"]
    title: str = "Scheduled maintenance"


class Truncate(_Rule):
    """A file that was cut short at the publisher: its length agrees, its end is missing."""

    fault: Literal["truncate"]
    keep: float = Field(default=0.5, ge=0, lt=1)


class Empty(_Rule):
    """No bytes at all, with status 200."""

    fault: Literal["empty"]


class Encoding(_Rule):
    """Text in an encoding that nobody announced, or stray bytes (hex) in the middle of it."""

    fault: Literal["encoding"]
    source: str = "utf-8"
    encoding: str | None = None
    insert_hex: str = "81fffe8d"


class Header(_Rule):
    """A renamed column: the first one, or the first occurrence of `find`. Works inside ZIP and XLSX too."""

    fault: Literal["header", "changed_header"]
    find: str | None = None
    replace: str = "Renamed"
    encoding: str = "utf-8"


class Replace(_Rule):
    """Every occurrence (or the first `count`) of `find` becomes `replace`, inside ZIP and XLSX too."""

    fault: Literal["replace"]
    find: str
    replace: str
    count: int = -1
    encoding: str = "utf-8"


class Row(_Rule):
    """A line that does not parse, put after line `after` of a text file (alone or in a ZIP)."""

    fault: Literal["row"]
    row: str = 'this,"is not,a row'
    after: int = Field(default=1, ge=0)
    encoding: str = "utf-8"


class Redirect(_Rule):
    """A redirect to `location`, by default to an address that no publisher may send us to."""

    fault: Literal["redirect"]
    location: str = "http://169.254.169.254/latest/meta-data/"
    status: int = Field(default=302, ge=301, le=308)


class GzipBomb(_Rule):
    """A gzip-encoded body that unpacks to `megabytes` of zeros."""

    fault: Literal["gzip_bomb"]
    megabytes: int = Field(default=1024, ge=1)


Rule = Annotated[
    Status | Timeout | Drip | HalfBody | Html | Truncate | Empty | Encoding | Header | Replace | Row
    | Redirect | GzipBomb,
    Field(discriminator="fault"),
]  # fmt: skip


class Rules(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[Rule]


_RULES: TypeAdapter[Rules] = TypeAdapter(Rules)


class Faults:
    """The rules of one `faults.json` and how often each was used. Counting starts again when the file
    changes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._rules: list[Rule] = []
        self._used: list[int] = []

    def next(self, addresses: Iterable[str], night: str) -> Rule | None:
        """The rule for a request that goes by any of these addresses, counted as used; None when there is
        none.
        """
        names = list(addresses)
        with self._lock:
            self._reload()
            for index, rule in enumerate(self._rules):
                spent = rule.times is not None and self._used[index] >= rule.times
                if spent or (rule.night and rule.night != night):
                    continue
                if not any(fnmatch.fnmatchcase(name, rule.match) for name in names):
                    continue
                self._used[index] += 1
                return rule
        return None

    def _reload(self) -> None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._seen, self._rules, self._used = None, [], []
            return
        seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if seen != self._seen:
            self._rules = _RULES.validate_json(self._path.read_bytes()).rules
            self._used = [0] * len(self._rules)
            self._seen = seen


def write_faults(path: Path, *rules: dict[str, object]) -> None:
    """Put `rules` into force: validated, written whole. No rules at all removes the file."""
    if not rules:
        path.unlink(missing_ok=True)
        return
    checked = Rules.model_validate({"rules": list(rules)})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(checked.model_dump(mode="json"), indent=1))
    temporary.replace(path)


def damaged(rule: Rule, content: bytes) -> bytes:
    """The bytes that a fault of the content (html, truncate, empty, encoding, header, replace, row) makes."""
    match rule:
        case Html(title=title):
            head = f'<html lang="en"><head><title>{title}</title></head>'
            return f"<!DOCTYPE html>\n{head}<body><h1>{title}</h1></body></html>\n".encode()
        case Truncate(keep=keep):
            return content[: int(len(content) * keep)]
        case Empty():
            return b""
        case Encoding(source=source, encoding=target, insert_hex=insert):
            if target is not None:
                return content.decode(source).encode(target, "replace")
            middle = len(content) // 2
            return content[:middle] + bytes.fromhex(insert) + content[middle:]
        case Header(find=find, replace=replace, encoding=encoding):
            if find is None:
                return _within(content, _with_renamed_column)
            old, new = find.encode(encoding), replace.encode(encoding)
            return _within(content, lambda _name, text: text.replace(old, new, 1))
        case Replace(find=find, replace=replace, encoding=encoding, count=count):
            old, new = find.encode(encoding), replace.encode(encoding)
            return _within(content, lambda _name, text: text.replace(old, new, count))
        case Row(row=row, after=after, encoding=encoding):
            line = row.encode(encoding)
            return _within(content, lambda name, text: _with_row(name, text, line, after))
        case _:
            raise ValueError(f"fault {rule.fault!r} does not change content")


def bomb(megabytes: int) -> Iterator[bytes]:
    """A gzip stream that unpacks to `megabytes` MB of zeros, made as it is sent."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    for _ in range(megabytes):
        piece = packer.compress(block)
        if piece:
            yield piece
    yield packer.flush()


def _with_renamed_column(name: str, text: bytes) -> bytes:
    """The first column under another name: the first field of a text, a workbook's first string."""
    if name.endswith("sharedStrings.xml"):
        return re.sub(rb"<t([^>]*)>", rb"<t\1>Renamed ", text, count=1)
    if name and not name.lower().endswith(_TEXT):
        return text
    start = len(codecs.BOM_UTF8) if text.startswith(codecs.BOM_UTF8) else 0
    start += text[start : start + 1] == b'"'
    return text[:start] + b"Renamed " + text[start:]


def _with_row(name: str, text: bytes, row: bytes, after: int) -> bytes:
    if name and not name.lower().endswith(_TEXT):
        return text
    lines = text.splitlines(keepends=True)
    ending = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    return b"".join([*lines[:after], row + ending, *lines[after:]])


def _within(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """`change(name, bytes)` applied to each member of a ZIP container (an XLSX is one), or to plain content
    as ''.
    """
    if not content.startswith(b"PK\x03\x04"):
        return change("", content)
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for info in source.infolist():
            target.writestr(info, change(info.filename, source.read(info)))
    return packed.getvalue()
