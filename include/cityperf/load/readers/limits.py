"""How large input may be. Each limit can be set by an environment variable; a number too small stops honest files."""

from __future__ import annotations

import os
from dataclasses import dataclass

DEFAULTS = {
    "CITYPERF_MAX_INFLATED_MB": 8192,
    "CITYPERF_MAX_WORKBOOK_MB": 768,
    "CITYPERF_MAX_SHEET_CELLS": 30_000_000,
    "CITYPERF_MAX_RATIO": 150,
    "CITYPERF_MAX_ENTRIES": 2000,
    "CITYPERF_MAX_FIELD_MB": 4,
    "CITYPERF_MAX_SDMX_JSON_MB": 64,
}


@dataclass(frozen=True)
class Limits:
    """`inflated`: bytes of one archive member, which is streamed. `workbook`: bytes of a workbook's parts together,
    and `cells` of one sheet, filled or not, which are held in memory. `ratio`: inflated to compressed size, looked
    at above 16 MB. `entries` of an archive. `field`: characters of one value.
    `message`: bytes of an SDMX-JSON message, which is held in memory, about ten times larger.
    """

    inflated: int
    workbook: int
    cells: int
    ratio: int
    entries: int
    field: int
    message: int

    def bomb(self, inflated: int, compressed: int) -> bool:
        return inflated > 16 << 20 and inflated > self.ratio * max(1, compressed)


def limits() -> Limits:
    """The limits in force. Raises ValueError when a variable is not a whole number above 0."""
    value = {name: _value(name) for name in DEFAULTS}
    return Limits(
        inflated=value["CITYPERF_MAX_INFLATED_MB"] << 20,
        workbook=value["CITYPERF_MAX_WORKBOOK_MB"] << 20,
        cells=value["CITYPERF_MAX_SHEET_CELLS"],
        ratio=value["CITYPERF_MAX_RATIO"],
        entries=value["CITYPERF_MAX_ENTRIES"],
        field=value["CITYPERF_MAX_FIELD_MB"] << 20,
        message=value["CITYPERF_MAX_SDMX_JSON_MB"] << 20,
    )


def _value(name: str) -> int:
    told = os.environ.get(name, "").strip()
    if not told:
        return DEFAULTS[name]
    if not told.isdecimal() or int(told) == 0:
        raise ValueError(f"{name}: expected a whole number above 0, found {told!r}")
    return int(told)
