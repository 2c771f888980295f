"""Archives: looked at before anything is inflated, and never written to disk."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from cityperf.load.quarantined import Quarantined
from cityperf.load.readers.limits import limits
from cityperf.load.readers.records import ASK, Readable
from cityperf.sources import Contract

# What Python's zipfile and its decompressors raise for damaged content, which is more than they document.
DAMAGED: Final = (
    zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
    RuntimeError, NotImplementedError, UnicodeDecodeError, ValueError,
)  # fmt: skip


@contextmanager
def plain_bytes(contract: Contract, path: Path, name: str) -> Iterator[tuple[Readable, str]]:
    """The file's bytes, out of a zip or gzip if it is in one, and the member's name ('' if there is none)."""
    with path.open("rb") as handle:
        magic = handle.read(4)
        handle.seek(0)
        if magic.startswith(b"\x1f\x8b"):
            yield _Bounded(gzip.GzipFile(fileobj=handle), path.stat().st_size, name), ""
        elif magic == b"PK\x03\x04" or contract.extract.read.inside_zip:
            with unzipped(handle, name) as archive:
                member = _member(contract, archive, name)
                try:
                    inner = archive.open(member)
                except DAMAGED as problem:
                    raise Quarantined(
                        "a sound zip archive", f"a damaged one ({problem})", name, ASK
                    ) from None
                with inner:
                    yield _Bounded(inner, member.compress_size, f"{name}, {member.filename}"), member.filename
        else:
            yield handle, ""


@contextmanager
def packed_workbook(contract: Contract, path: Path, name: str) -> Iterator[tuple[Path, str] | None]:
    """The one workbook in a zip, in a file that is gone afterwards, and its name; None when there is none."""
    read = contract.extract.read
    with unzipped(path, name) as archive:
        entries = archive.infolist()
        files = [
            entry
            for entry in entries
            if entry.filename.lower().endswith((".xlsx", ".xlsm", ".xls"))
            and (read.member is None or re.search(read.member, entry.filename))
        ]
        if not files:
            yield None
            return
        check_entries(entries, name)
        if len(files) > 1:
            found = ", ".join(entry.filename for entry in files[:8])
            raise Quarantined(
                "one workbook in the archive", found, name, "say which with `member` in the contract"
            )
        inside = f"{name}, {files[0].filename}"
        if files[0].file_size > limits().workbook:
            raise _too_large(f"a workbook of {files[0].file_size} bytes", inside)
        with tempfile.NamedTemporaryFile(suffix=".xlsx") as copy:
            try:
                with archive.open(files[0]) as content:
                    shutil.copyfileobj(
                        _Bounded(content, files[0].compress_size, inside, nested=True), copy, 1 << 20
                    )
            except DAMAGED as problem:
                raise Quarantined("a sound zip archive", f"a damaged one ({problem})", inside, ASK) from None
            copy.flush()
            yield Path(copy.name), inside


def unzipped(source: IO[bytes] | Path, name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except DAMAGED as problem:
        raise Quarantined("a sound zip archive", f"a damaged one ({problem})", name, ASK) from None


def check_entries(entries: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Raises Quarantined for too many entries, and for one that points out of the archive or is a link: nothing is
    ever unpacked here, but an archive with such an entry is not a publisher's.
    """
    if len(entries) > limits().entries:
        raise Quarantined(
            f"at most {limits().entries} files in the archive (CITYPERF_MAX_ENTRIES)",
            str(len(entries)),
            name,
            ASK,
        )
    for entry in entries:
        inside = entry.filename.replace("\\", "/")
        astray = (
            inside.startswith("/") or re.match(r"[A-Za-z]:", inside) or ".." in PurePosixPath(inside).parts
        )
        if astray or stat.S_ISLNK(entry.external_attr >> 16):
            raise Quarantined(
                "entries that stay inside the archive",
                f"{entry.filename!r}{'' if astray else ', a link'}",
                name,
                "this archive may be an attack; " + ASK,
            )


def _member(contract: Contract, archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    pattern = contract.extract.read.member
    entries = archive.infolist()
    check_entries(entries, name)
    wanted = re.compile(pattern or r"(?i)\.(csv|txt)$")
    files = [entry for entry in entries if not entry.is_dir() and wanted.search(entry.filename)]
    if not pattern and len(files) > 1:  # a readme beside the data
        files = [entry for entry in files if entry.filename.lower().endswith(".csv")]
    if len(files) != 1:
        found = ", ".join(entry.filename for entry in entries[:8]) or "an empty archive"
        raise Quarantined(
            "one CSV file in the archive", found, name, "say which with `member` in the contract"
        )
    if files[0].flag_bits & 1:
        raise Quarantined("a readable archive", "one with a password", name, ASK)
    size, compressed = files[0].file_size, files[0].compress_size
    if size > limits().inflated or limits().bomb(size, compressed):
        raise _too_large(f"{size} bytes out of {compressed}", f"{name}, {files[0].filename}")
    return files[0]


def _too_large(found: str, where: str) -> Quarantined:
    return Quarantined(
        f"at most {limits().inflated >> 20} MB, compressed at most {limits().ratio}-fold "
        "(CITYPERF_MAX_INFLATED_MB, CITYPERF_MAX_RATIO)",
        found,
        where,
        "this looks like a zip bomb; " + ASK,
    )


class _Bounded(io.RawIOBase):
    """An inflating stream that gives up when it grows past what its compressed size can honestly hold."""

    def __init__(self, inner: Any, compressed: int, where: str, nested: bool = False) -> None:
        super().__init__()
        self._inner, self._compressed, self._where, self._given = inner, compressed, where, 0
        self._limits, self._nested = limits(), nested

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            chunk: bytes = self._inner.read(size)
        except DAMAGED as problem:
            raise Quarantined(
                "a whole archive", f"one that breaks off or is damaged ({problem})", self._where, ASK
            ) from None
        if not self._nested and self._given == 0 and chunk.startswith((b"PK\x03\x04", b"\x1f\x8b")):
            raise Quarantined(
                "a CSV file in the archive", "another archive inside it", self._where,
                "ask the publisher to pack it once; nested archives are not opened",
            )  # fmt: skip
        self._given += len(chunk)
        if self._given > self._limits.inflated or self._limits.bomb(self._given, self._compressed):
            raise _too_large(f"over {self._given} bytes out of {self._compressed}", self._where)
        return chunk

    def readinto(self, buffer: Any) -> int:
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)
