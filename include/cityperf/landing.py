"""Landing: bytes exactly as received, immutable, named by their SHA-256, each with a manifest row.

A file lies at `<landing>/<first two digits>/<sha256>`. It is written to a temporary file beside its final
folder, hashed on the way, flushed to disk and renamed, so a name in landing always stands for whole,
correct bytes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as wall_time
from pathlib import Path
from typing import IO, Any, Final

from psycopg.types.json import Jsonb

from cityperf.config import TORONTO, Settings
from cityperf.errors import SourceUnavailable

ABANDONED_AFTER: Final = 24 * 3600  # seconds; a temporary file this old has lost its writer
SPARE: Final = 256 << 20  # bytes that must stay free on the landing's disk


class Incoming:
    """A file on its way into landing. `write` as bytes come, `restart` when an attempt failed."""

    def __init__(self, handle: IO[bytes], path: Path) -> None:
        self.handle, self.path = handle, path
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.handle.write(chunk)
        self.size += len(chunk)

    def restart(self) -> None:
        self.handle.seek(0)
        self.handle.truncate()
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class Stored:
    """A file in landing: its SHA-256 (hex), size in bytes and place."""

    sha256: str
    size: int
    path: Path


def path_of(settings: Settings, sha256: str) -> Path:
    """Where the bytes with this SHA-256 lie, whether they are there or not."""
    return settings.landing / sha256[:2] / sha256


def find(settings: Settings, name: str, sha256: str) -> Path:
    """Where the bytes of a registered file lie. Raises FileNotFoundError if landing lost them."""
    path = path_of(settings, sha256)
    if not path.exists():
        raise FileNotFoundError(
            f"{name} ({sha256}) is in the registry but not in landing; expected {path}; "
            "restore landing from its backup"
        )
    return path


@contextmanager
def incoming(settings: Settings) -> Iterator[Incoming]:
    """A temporary file in landing, removed unless `keep` renamed it. Raises SourceUnavailable if the disk
    is full.
    """
    settings.landing.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.landing).free
    if free < SPARE:
        raise SourceUnavailable(
            f"expected at least {SPARE >> 20} MB free for landing, found {free >> 20} MB at "
            f"{settings.landing}; "
            "free space, then run the source again"
        )
    _sweep(settings.landing)
    path = settings.landing / f".incoming-{os.getpid()}-{secrets.token_hex(6)}"
    with path.open("xb") as handle:
        try:
            yield Incoming(handle, path)
        finally:
            with suppress(FileNotFoundError):
                path.unlink()


def keep(settings: Settings, arrived: Incoming) -> Stored:
    """Put the bytes under their SHA-256 (read-only) and return where. The same bytes again change nothing."""
    final = path_of(settings, arrived.sha256)
    stored = Stored(arrived.sha256, arrived.size, final)
    if final.exists() and final.stat().st_size == arrived.size:
        return stored
    arrived.handle.flush()
    os.fchmod(arrived.handle.fileno(), 0o444)
    os.fsync(arrived.handle.fileno())
    final.parent.mkdir(parents=True, exist_ok=True)
    arrived.path.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name itself must survive a power cut
    finally:
        os.close(folder)
    return stored


def received_at(settings: Settings, night: date) -> datetime:
    """When a file counts as received: now in live, else the night's start, so that a repeat is equal."""
    if settings.profile == "live":
        return datetime.now(UTC)
    return datetime.combine(night, wall_time(2), TORONTO)


def register(
    settings: Settings,
    db: Any,
    night: date,
    dataset: str,
    name: str,
    stored: Stored,
    *,
    url: str,
    media_type: str | None = None,
    etag: str | None = None,
    last_modified: str | None = None,
    source_meta: dict[str, Any] | None = None,
) -> int:
    """The manifest row of `stored` under this name; returns its file_id. Known bytes keep their row.

    The address and the tags are those of the latest visit: the next one asks with them.
    """
    row = db.execute(
        """
        insert into ops.landed_file
            (dataset, name, sha256, bytes, url, media_type, etag, last_modified, source_meta, night,
            retrieved_at)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (dataset, name, sha256) do update
            set url = excluded.url, etag = excluded.etag, last_modified = excluded.last_modified,
                source_meta = landed_file.source_meta || excluded.source_meta
        returning file_id
        """,
        (
            dataset,
            name,
            stored.sha256,
            stored.size,
            url,
            media_type,
            etag,
            last_modified,
            Jsonb(source_meta or {}),
            night,
            received_at(settings, night),
        ),
    ).fetchone()
    return int(row[0])


def _sweep(folder: Path) -> None:
    """Temporary files whose writer was killed long ago."""
    limit = time.time() - ABANDONED_AFTER
    for path in folder.glob(".incoming-*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < limit:
                path.unlink()
