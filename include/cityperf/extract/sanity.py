"""Is this file, by its first and last bytes, the kind of file that the contract speaks of?

It catches what a server gives instead of a file: nothing, an error page, half an archive. Whether the
content keeps the contract is the loader's business.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from cityperf.extract import http
from cityperf.extract.http import Unsound, looks_like_html
from cityperf.sources import Contract, is_private

ASK: Final = "open the address by hand; if the publisher changed the file's kind, change the contract"


def check_file(contract: Contract, name: str, path: Path) -> None:
    """Raises Unsound when the file cannot be what the contract's `read` section announces."""
    read = contract.extract.read
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(4096)
        handle.seek(max(0, size - 64))
        tail = handle.read()
    expected = _words(read.format, read.inside_zip)
    if not head.strip(b" \t\r\n\xef\xbb\xbf"):
        raise Unsound(expected, f"an empty file ({size} bytes)", "wait for the publisher, or ask them")

    def glimpse(content: bytes) -> str:
        return "(withheld: person-level data)" if is_private(contract) else http.glimpse(content)

    if looks_like_html(head):
        raise Unsound(expected, f"an HTML page beginning {glimpse(head)}", ASK)
    is_zip = head.startswith(b"PK\x03\x04")
    if is_zip:
        if read.format in ("json", "geojson") or (read.format == "csv" and not read.inside_zip):
            raise Unsound(expected, "a zip archive or a workbook", ASK)
        if not zipfile.is_zipfile(path):
            raise Unsound(expected, f"an archive that breaks off after {size} bytes", "ask the publisher")
        return
    if read.inside_zip or read.format == "xlsx":
        if head.startswith(b"\xd0\xcf\x11\xe0") and read.format == "xlsx":
            return  # an old binary workbook, which the reader knows, or a protected one, which it refuses
        raise Unsound(expected, f"something beginning {glimpse(head)}", ASK)
    starts_like_json = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    if read.format in ("json", "geojson"):
        if not starts_like_json:
            raise Unsound(expected, f"something beginning {glimpse(head)}", ASK)
        if tail.rstrip()[-1:] not in (b"}", b"]"):
            raise Unsound(expected, f"JSON that breaks off after {size} bytes", "ask the publisher")
    elif starts_like_json and read.format == "csv":
        raise Unsound(expected, f"JSON beginning {glimpse(head)}", ASK)


def _words(kind: str, inside_zip: bool) -> str:
    words = {
        "auto": "a CSV file or a workbook",
        "csv": "a CSV file",
        "xlsx": "a workbook",
        "json": "JSON",
        "geojson": "GeoJSON",
    }[kind]
    return f"a zip archive with {words}" if inside_zip else words
