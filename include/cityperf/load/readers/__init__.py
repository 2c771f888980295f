"""Readers: from a landed file to records of text, whatever it is - CSV, zip, gzip, workbook, JSON, GeoJSON.

A reader says first which columns it will give (so that the table can be made), then gives the records.
Nothing is typed: a value is the text as found, None when empty. Only a workbook's sheets are held in
memory, and their size is looked at before they are opened.
"""

from __future__ import annotations

from pathlib import Path

from cityperf.load.quarantined import BadRow, Quarantined
from cityperf.load.readers.csv import CHUNK, csv_reader
from cityperf.load.readers.records import ASK, Block, Bytes, Reader, Record, glimpse, is_html
from cityperf.sources import Contract

__all__ = ["ASK", "CHUNK", "BadRow", "Block", "Bytes", "Reader", "Record", "open_file"]


def open_file(contract: Contract, path: Path, name: str) -> Reader:
    """A reader for a landed file. Raises Quarantined when the file is not what the contract speaks of."""
    from cityperf.load.readers.geojson import geojson_reader
    from cityperf.load.readers.json import json_reader
    from cityperf.load.readers.sdmx import sdmx_reader
    from cityperf.load.readers.workbook import workbook_reader
    from cityperf.load.readers.workbook_check import is_workbook
    from cityperf.load.readers.zip import packed_workbook

    read = contract.extract.read
    with path.open("rb") as handle:
        head = handle.read(4096)
    if not head.strip(b" \t\r\n\xef\xbb\xbf\x00"):
        raise Quarantined("a file with content", f"an empty file of {path.stat().st_size} bytes", name, ASK)
    if is_html(head):
        raise Quarantined(
            f"a {read.format} file",
            f"an HTML page: {glimpse(head)}",
            name,
            "open the address by hand; the publisher may show a notice in its place",
        )
    if contract.extract.connector == "sdmx" and contract.extract.arguments.get("format", "csv") != "csv":
        return sdmx_reader(contract, path, name)
    if contract.extract.connector in ("statcan_wds", "boc_valet") or read.format == "json":
        return json_reader(contract, path, name)
    if read.format == "geojson":
        return geojson_reader(contract, path, name)
    if head.startswith(b"\xd0\xcf\x11\xe0"):  # .xls, or a workbook with a password
        return workbook_reader(contract, path, name)
    if read.format in ("xlsx", "auto") and head.startswith(b"PK"):
        if is_workbook(path, name):
            return workbook_reader(contract, path, name)
        with packed_workbook(contract, path, name) as inner:
            if inner is not None:
                return workbook_reader(contract, *inner)
    if read.format == "xlsx":
        raise Quarantined("a workbook", f"something that begins {glimpse(head)}", name, ASK)
    return csv_reader(contract, path, name)
