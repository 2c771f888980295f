"""The shape of a file as its contract reads it: columns, what their values look like, and how many rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from cityperf.sources import Contract

ROWS: Final = 50_000  # rows looked at
FEW: Final = 20  # distinct values that are still worth naming
_KINDS: Final = ("integer", "numeric", "date", "timestamp", "boolean", "money")
_NOTABLE: Final = 0.2  # a share of blanks that moved by this much is worth a line


@dataclass
class Values:
    """What a column's values look like. `kind` is the narrowest type that fits all of them."""

    filled: int = 0
    blank: int = 0
    values: set[str] | None = field(default_factory=set)
    kinds: set[str] = field(default_factory=lambda: set(_KINDS))
    clock: bool = False

    def add(self, value: str | None) -> None:
        if value is None or not value.strip():
            self.blank += 1
            return
        self.filled += 1
        if self.values is not None:
            self.values.add(value)
            if len(self.values) > FEW:
                self.values = None
        if self.kinds:
            patterns = compiled()
            self.kinds = {kind for kind in self.kinds if patterns[kind].search(value)}
            self.clock = self.clock or (":" in value and "date" in self.kinds)

    @property
    def kind(self) -> str:
        found = self.kinds - ({"date"} if self.clock else {"timestamp"})
        if not self.filled:
            return "text"
        if "boolean" in found and self.values is not None and self.values <= {"0", "1"}:
            found -= {"boolean"}
        return next((kind for kind in _KINDS if kind in found), "text")

    @property
    def blank_share(self) -> float:
        return self.blank / max(1, self.blank + self.filled)


@dataclass
class Shape:
    """Columns in file order with what is in them; `rows` counts at most ROWS of them."""

    columns: dict[str, Values]
    rows: int
    bad: int
    notes: tuple[str, ...]


def shape_of(contract: Contract, path: Path, name: str) -> Shape:
    """The shape of one file. Raises Quarantined when the contract cannot read it at all."""
    from cityperf.load.readers import BadRow, open_file

    reader = open_file(contract, path, name)
    columns = {column: Values() for column in reader.columns}
    rows = bad = 0
    for record in islice(reader.records(), ROWS):
        rows += 1
        if isinstance(record, BadRow):
            bad += 1
            continue
        for values, value in zip(columns.values(), record.values, strict=True):
            values.add(value)
    notes = list(reader.notes)
    if reader.new:
        notes.append(f"not in the contract: {', '.join(map(repr, reader.new.values()))}")
    if reader.missing:
        notes.append(f"missing: {', '.join(reader.missing)}")
    return Shape(columns, rows, bad, tuple(notes))


def differences(before: Shape, after: Shape) -> Iterator[str]:
    """What changed in shape, a line each; nothing when only values changed."""
    gone = [name for name in before.columns if name not in after.columns]
    new = [name for name in after.columns if name not in before.columns]
    if gone:
        yield f"columns gone: {', '.join(gone)}"
    if new:
        yield f"columns new: {', '.join(new)}"
    kept = [name for name in before.columns if name in after.columns]
    if kept != [name for name in after.columns if name in before.columns]:
        yield "columns moved"
    for name in kept:
        old, now = before.columns[name], after.columns[name]
        if old.filled and now.filled and old.kind != now.kind:
            yield f"{name}: was {old.kind}, is {now.kind}"
        if abs(old.blank_share - now.blank_share) >= _NOTABLE:
            yield f"{name}: blank in {old.blank_share:.0%} of the rows, now {now.blank_share:.0%}"
        if (
            old.kind == now.kind == "text"
            and old.values
            and now.values
            and (fresh := sorted(now.values - old.values))
        ):
            yield f"{name}: values not seen before: {', '.join(map(repr, fresh[:8]))}"
    if after.rows < 0.7 * before.rows:
        yield f"rows: {before.rows:,} before, {after.rows:,} now"
    for note in after.notes:
        if note not in before.notes:
            yield note


def compiled() -> Mapping[str, re.Pattern[str]]:
    """The patterns by which the loader knows a type, as Python reads them."""
    if not _COMPILED:
        from cityperf.load.checks import PATTERNS

        _COMPILED.update({kind: re.compile(PATTERNS[kind]) for kind in _KINDS})
    return _COMPILED


_COMPILED: dict[str, re.Pattern[str]] = {}
