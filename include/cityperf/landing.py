"""Landing: bytes exactly as received, immutable, named by their SHA-256, each with a manifest row.

A file lies at `<landing>/<first two digits>/<sha256>`. It is written to a temporary file beside its final
folder, hashed on the way, flushed to disk and renamed, so a name in landing always stands for whole,
correct bytes. Files with person-level data lie there encrypted, as `<sha256 of what was received>.sealed`; while one
arrives or is read, its bytes are in a file without a name that goes with the process (decision 0018).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as wall_time
from pathlib import Path
from typing import IO, Any, Final

from psycopg.types.json import Jsonb

from cityperf import sealing
from cityperf.config import TORONTO, Settings
from cityperf.errors import CityperfError, SourceUnavailable, is_full

ABANDONED_AFTER: Final = 24 * 3600  # seconds; a temporary file this old has lost its writer
SPARE: Final = 256 << 20  # bytes that must stay free on the landing's disk
SEALED: Final = ".sealed"


class Expired(CityperfError):
    """The bytes of a landed file were deleted when their time was over; only its manifest row is left."""


class Incoming:
    """A file on its way into landing. `write` as bytes come, `restart` when an attempt failed. `private`: to be
    encrypted there.
    """

    def __init__(self, handle: IO[bytes], path: Path, *, private: bool = False) -> None:
        self.handle, self.path, self.private = handle, path, private
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
    """A file in landing: its SHA-256 (hex), size in bytes as received, place, and the key it is sealed with."""

    sha256: str
    size: int
    path: Path
    sealed_with: str | None = None


def path_of(settings: Settings, sha256: str) -> Path:
    """Where the bytes with this SHA-256 lie, sealed or plain, whether they are there or not."""
    plain = settings.landing / sha256[:2] / sha256
    sealed = plain.with_name(sha256 + SEALED)
    return sealed if sealed.exists() else plain


@contextmanager
def opened(settings: Settings, db: Any, file_id: int) -> Iterator[Path]:
    """A path at which the bytes of a registered file can be read, as they were received, while the context lasts.

    Raises Expired when they were deleted after their time, FileNotFoundError if landing lost them, and KeyMissing or
    Tampered (`cityperf.sealing`) when they do not open.
    """
    name, sha256, expired_on, why = db.execute(
        "select name, sha256, expired_on, expired_why from ops.landed_file where file_id = %s", (file_id,)
    ).fetchone()
    path = path_of(settings, sha256)
    if expired_on is not None:
        raise Expired(
            f"expected the bytes of {name} ({sha256}), found only their row in ops.landed_file: deleted on "
            f"{expired_on}, {why}; what was loaded of them stays in raw"
        )
    if not path.exists():
        raise FileNotFoundError(
            f"{name} ({sha256}) is in the registry but not in landing; expected {path}; "
            "restore landing from its backup"
        )
    if path.suffix != SEALED:
        yield path
        return
    with unnamed(settings) as (handle, readable):
        for chunk in _unsealed(settings, sha256, path):
            handle.write(chunk)
        handle.flush()
        yield readable


def intact(settings: Settings, sha256: str) -> bool:
    """Whether landing gives the very bytes that have this SHA-256. Raises KeyMissing when it cannot tell."""
    path = path_of(settings, sha256)
    if not path.exists():
        return False
    if path.suffix != SEALED:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest() == sha256
    digest = hashlib.sha256()
    try:
        for chunk in _unsealed(settings, sha256, path):
            digest.update(chunk)
    except sealing.Tampered:
        return False
    return digest.hexdigest() == sha256


def _unsealed(settings: Settings, sha256: str, path: Path) -> Iterator[bytes]:
    with path.open("rb") as handle:
        yield from sealing.unsealed(sealing.keys_of(settings), handle, sha256, str(path))


@contextmanager
def unnamed(settings: Settings) -> Iterator[tuple[IO[bytes], Path]]:
    """A file in the run folder that has no name, and a path by which this process and its children can read it.

    It is gone with the handle, however the process ends, so nothing is ever left to be cleaned up.
    """
    settings.run.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix="plain-", dir=settings.run)  # readable by its owner only
    with os.fdopen(number, "w+b") as handle:
        Path(name).unlink()
        yield handle, Path(f"/proc/{os.getpid()}/fd/{number}")


@contextmanager
def incoming(settings: Settings, *, private: bool = False) -> Iterator[Incoming]:
    """A temporary file in landing, removed unless `keep` renamed it; a `private` one lies elsewhere, without a name.

    Raises SourceUnavailable if the disk is full, or becomes so while the file comes.
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
    try:
        with _opened_aside(settings, private=private) as arriving:
            yield arriving
    except OSError as problem:
        if not is_full(problem):
            raise
        raise SourceUnavailable(
            f"expected room for the file in landing, found none left at {settings.landing} ({problem.strerror}); nothing of "
            "it was kept: free space, then run the source again"
        ) from problem


@contextmanager
def _opened_aside(settings: Settings, *, private: bool) -> Iterator[Incoming]:
    if private:
        with unnamed(settings) as (handle, path):
            yield Incoming(handle, path, private=True)
        return
    path = settings.landing / f".incoming-{os.getpid()}-{secrets.token_hex(6)}"
    with path.open("xb") as handle:
        try:
            yield Incoming(handle, path)
        finally:
            with suppress(FileNotFoundError):
                path.unlink()


def keep(settings: Settings, arrived: Incoming) -> Stored:
    """Put the bytes under their SHA-256 (read-only) and return where. The same bytes again change nothing.

    Private ones are sealed there; what is sealed stays so, even if the same bytes also come from an open source. A
    sealed file that does not open any more (its key is lost, it was changed) is written again.
    """
    final = path_of(settings, arrived.sha256)
    arrived.handle.flush()
    if final.suffix == SEALED and _opens(settings, arrived.sha256):
        return Stored(arrived.sha256, arrived.size, final, sealing.key_of(final))
    if arrived.private or final.suffix == SEALED:
        return _keep_sealed(settings, arrived)
    if not (final.exists() and final.stat().st_size == arrived.size):
        settle(arrived.handle, arrived.path, final)
    return Stored(arrived.sha256, arrived.size, final)


def _opens(settings: Settings, sha256: str) -> bool:
    try:
        return intact(settings, sha256)
    except sealing.KeyMissing:
        return False


def _keep_sealed(settings: Settings, arrived: Incoming) -> Stored:
    plain = settings.landing / arrived.sha256[:2] / arrived.sha256
    final = plain.with_name(plain.name + SEALED)
    with incoming(settings) as sealed, arrived.path.open("rb") as source:
        used = sealing.seal(sealing.keys_of(settings), source, sealed.handle, arrived.sha256)
        settle(sealed.handle, sealed.path, final)
    plain.unlink(missing_ok=True)  # from the time when the data set was not yet person-level
    return Stored(arrived.sha256, arrived.size, final, used)


def settle(handle: IO[bytes], path: Path, final: Path) -> None:
    """Give a written file its final name, both flushed to disk, read-only."""
    handle.flush()
    os.fchmod(handle.fileno(), 0o444)
    os.fsync(handle.fileno())
    final.parent.mkdir(parents=True, exist_ok=True)
    path.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name itself must survive a power cut
    finally:
        os.close(folder)


def sealed_files(settings: Settings) -> list[Path]:
    """All that is sealed: landed files, and the backups of raw's rows."""
    return [
        path for folder in (settings.landing, settings.backup) for path in sorted(folder.rglob("*" + SEALED))
    ]


def reseal(settings: Settings, db: Any) -> int:
    """Seal everything again that an older key seals, so that only the newest is needed; returns the number of files.

    Covers landing and the backups of raw. A file at a time is replaced whole: it can be broken off and repeated.
    """
    keys, done = sealing.keys_of(settings), 0
    for path in sealed_files(settings):
        if sealing.key_of(path) == keys.newest:
            continue
        with incoming(settings) as sealed, unnamed(settings) as (plain, _), path.open("rb") as handle:
            for chunk in sealing.unsealed(keys, handle, path.name.removesuffix(SEALED), str(path)):
                plain.write(chunk)
            plain.seek(0)
            sealing.seal(keys, plain, sealed.handle, path.name.removesuffix(SEALED))
            settle(sealed.handle, sealed.path, path)
        db.execute(
            "update ops.landed_file set sealed_with = %s where sha256 = %s",
            (keys.newest, path.name.removesuffix(SEALED)),
        )
        done += 1
    return done


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

    The address and the tags are those of the latest visit: the next one asks with them. Bytes that came again after
    they were deleted are there again.
    """
    row = db.execute(
        """
        insert into ops.landed_file
            (dataset, name, sha256, bytes, url, media_type, etag, last_modified, source_meta, night,
            retrieved_at, sealed_with)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (dataset, name, sha256) do update
            set url = excluded.url, etag = excluded.etag, last_modified = excluded.last_modified,
                source_meta = landed_file.source_meta || excluded.source_meta,
                sealed_with = excluded.sealed_with, expired_on = null, expired_why = null
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
            stored.sealed_with,
        ),
    ).fetchone()
    return int(row[0])


def describe(db: Any, file_id: int, source_meta: dict[str, Any]) -> None:
    """What the source says now of a file that it did not send again, as `register` writes it for one that it did."""
    db.execute(
        "update ops.landed_file set source_meta = source_meta || %s where file_id = %s",
        (Jsonb(source_meta), file_id),
    )


def _sweep(folder: Path) -> None:
    """Temporary files whose writer was killed long ago."""
    limit = time.time() - ABANDONED_AFTER
    for path in folder.glob(".incoming-*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < limit:
                path.unlink()
