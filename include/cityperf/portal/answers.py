"""What is asked of a publisher and what it answers, free of any web framework."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Ask:
    """One request. `path` starts with a slash and is percent-decoded; `query` holds the last value of each
    name.
    """

    method: str
    host: str
    path: str
    night: date
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    accept: str = ""

    @property
    def url(self) -> str:
        return f"https://{self.host}{self.path}"

    def json(self) -> Any:
        """The body as JSON; None when it is empty or is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Answer:
    """A status and either bytes or a file on disk (never both). `sha256` of the content makes the ETag."""

    body: bytes = b""
    file: Path | None = None
    media_type: str = "application/json"
    status: int = 200
    last_modified: datetime | None = None
    filename: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @functools.cached_property
    def sha256(self) -> str:
        return file_sha256(self.file) if self.file else hashlib.sha256(self.body).hexdigest()

    def content(self) -> bytes:
        return self.file.read_bytes() if self.file else self.body


Make = Callable[[], Answer]


class Portal(Protocol):
    """A profile's answers. `answer` and `drops` return None for what the profile does not know."""

    def latest_night(self) -> date: ...

    def answer(self, ask: Ask) -> Answer | None: ...

    def drops(self, folder: str, night: date) -> Mapping[str, Make] | None: ...

    def missing(self, address: str, night: date) -> Answer: ...


def json_answer(value: Any, *, status: int = 200, last_modified: datetime | None = None) -> Answer:
    """`value` as compact UTF-8 JSON."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(
        body=body, media_type="application/json; charset=utf-8", status=status, last_modified=last_modified
    )


_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".geojson": "application/geo+json",
    ".html": "text/html",
    ".json": "application/json",
    ".txt": "text/plain",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".zip": "application/zip",
}


def media_type(name: str) -> str:
    """The media type for a file name; a gzip file is a download of its own, never a transfer encoding."""
    return _MEDIA_TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


def file_answer(
    path: Path, *, last_modified: datetime | None, name: str | None = None, media: str | None = None
) -> Answer:
    """A file that is streamed from disk byte for byte."""
    shown = name or path.name
    return Answer(
        file=path, media_type=media or media_type(shown), last_modified=last_modified, filename=shown
    )


def midday(day: date) -> datetime:
    """Noon UTC of a day: the time that generated deliveries carry when nothing better is known."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as hex digits, remembered as long as its size and modification time stay."""
    stat = path.stat()
    return _file_sha256(str(path), stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _file_sha256(path: str, _size: int, _mtime_ns: int) -> str:
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
