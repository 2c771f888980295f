"""GeoJSON: a row per feature, its properties and, where the contract keeps it, its geometry as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cityperf.load.header import match_header
from cityperf.load.quarantined import BadRow, Quarantined
from cityperf.load.readers.csv import HEAD
from cityperf.load.readers.json import as_text, compact, first_line, skip_mark
from cityperf.load.readers.records import ASK, Reader, Record, glimpse, shown, unstorable
from cityperf.sources import Contract

GEOMETRY: Final = "geometry"  # the header that a kept geometry is known by


def geojson_reader(contract: Contract, path: Path, name: str) -> Reader:
    import ijson

    with path.open("rb") as handle:
        head = handle.read(HEAD)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        columns = head.split(b"\n", 1)[0].count(b",") + 1
        raise Quarantined(
            "GeoJSON with a feature per record",
            f"something else that begins {glimpse(head)}"
            + (f" with {columns} columns" if columns > 5 else ""),
            name,
            "the file looks damaged, for example by a spreadsheet; " + ASK,
        )
    prefix = "body.features.item" if head.lstrip().startswith(b'{"cityperf_page"') else "features.item"

    keep = contract.extract.read.geometry == "keep"
    place = prefix if keep else f"{prefix}.properties"

    def features() -> Iterator[Mapping[str, Any]]:
        with path.open("rb") as handle:
            skip_mark(handle)
            try:
                for found in ijson.items(handle, place, multiple_values=True):
                    if not keep:
                        yield found or {}
                    elif isinstance(found, dict):
                        shape = found.get("geometry")
                        yield {**(found.get("properties") or {}), GEOMETRY: compact(shape) if shape else None}
            except (ijson.JSONError, UnicodeDecodeError) as problem:
                raise Quarantined(
                    "sound GeoJSON", f"JSON that breaks off or is damaged ({first_line(problem)})", name, ASK
                ) from None

    keys: dict[str, None] = {}
    count = 0
    for properties in features():
        keys |= dict.fromkeys(properties)
        count += 1
        if len(keys) > contract.extract.read.max_columns:
            break
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
                    shown(as_text(dict(properties)) or ""),
                )
            else:
                yield Record(row, row, None, values)

    return Reader(tuple(target for _, target in places), records, layout.new, layout.missing)
