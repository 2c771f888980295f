"""From the header of a file to the columns of raw, by the contract's names, synonyms and patterns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cityperf.load.quarantined import Quarantined
from cityperf.sources import Contract

META: Final = ("_file_id", "_row", "_sheet", "_period", "_night")
REVIEW: Final = "if the publisher changed the file on purpose, review the contract and load it again"


@dataclass(frozen=True)
class Layout:
    """Where each column of a file goes.

    `targets` has one entry per file column: a column of raw, or None for one that is left out. `unnamed`
    are the positions without a header, which must stay empty. `new` maps columns that the contract does not
    know to their headers; `missing` are contract columns the file lacks although they are not optional.
    """

    targets: tuple[str | None, ...]
    unnamed: tuple[int, ...] = ()
    new: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def match_header(contract: Contract, header: Sequence[str], where: str) -> Layout:
    """The layout for this header. Raises Quarantined if the contract's drift policy refuses it."""
    cells = [normal(cell) for cell in header]
    while cells and not cells[-1]:
        cells.pop()
    read = contract.extract.read
    if len(header) > read.max_columns:  # nameless ones too: a spreadsheet spills a long cell into thousands
        raise Quarantined(
            f"at most {read.max_columns} columns",
            f"{len(header)} columns, {len(cells)} of them up to the last name",
            where,
            "the file looks damaged, for example by a spreadsheet; ask the publisher for the original",
        )
    names = _names(contract)
    ignored = {normal(each) for each in contract.ignored}
    patterns = [re.compile(column.pattern or "") for column in contract.pattern_columns]
    targets: list[str | None] = [None] * len(header)
    taken: dict[str, int] = {}
    unnamed: list[int] = []
    new: dict[str, str] = {}
    for position, cell in enumerate(cells):
        original = " ".join(header[position].split())
        if not cell:
            unnamed.append(position)
            continue
        if cell in ignored:
            continue
        target = names.get(cell)
        if target is None:
            column = _free(snake(original), taken, names)
            if not any(pattern.search(original.lstrip("\ufeff")) for pattern in patterns):
                if contract.drift.new_column == "ignore":
                    continue
                new[column] = original
            target = column
        elif target in taken:
            raise Quarantined(
                f"one column for {target!r}",
                f"two: {header[taken[target]]!r} (column {taken[target] + 1}) and {original!r} (column "
                f"{position + 1})",
                where,
                REVIEW,
            )
        targets[position] = target
        taken[target] = position
    unnamed.extend(range(len(cells), len(header)))
    if new and contract.drift.new_column == "quarantine_file":
        raise Quarantined(
            "only the contract's columns", f"also {', '.join(map(repr, new.values()))}", where, REVIEW
        )
    return Layout(tuple(targets), tuple(unnamed), new, check_missing(contract, set(taken), header, where))


def check_missing(contract: Contract, there: set[str], header: Sequence[str], where: str) -> tuple[str, ...]:
    """The contract's columns that are not `there`. Raises Quarantined unless the policy only warns."""
    lacking = [c for c in contract.named_columns if c.name not in there and not c.optional]
    if lacking and (contract.drift.missing_column == "quarantine_file" or any(c.required for c in lacking)):
        labels = [repr(c.header[0] if c.header else c.path or c.name) for c in lacking]
        shown = ", ".join(repr(cell) for cell in header[:20] if cell) + (", ..." if len(header) > 20 else "")
        raise Quarantined(
            f"the column{'s' if len(labels) > 1 else ''} {', '.join(labels[:12])}"
            + (f" and {len(labels) - 12} more" if len(labels) > 12 else ""),
            f"a header without {'them' if len(labels) > 1 else 'it'}: {shown or 'nothing'}",
            where,
            "if the column was renamed, add its new name to `header` in the contract",
        )
    return tuple(str(c.name) for c in lacking)


def find_header(contract: Contract, rows: Sequence[Sequence[str]]) -> int | None:
    """The position of the header among the first rows of a file: the first that has all columns that must
    be there.

    If none has them all, the one that has most, so that what is missing can be named; None if no row is
    like it.
    """
    names = _names(contract)
    needed = {str(c.name) for c in contract.named_columns if not c.optional}
    best, most = None, 0
    for position, row in enumerate(rows):
        found = {names[cell] for cell in map(normal, row) if cell in names}
        if needed <= found:
            return position
        if len(found & needed) > most:
            best, most = position, len(found & needed)
    return best if most >= min(2, len(needed)) else None


@lru_cache(maxsize=4096)
def normal(cell: str) -> str:
    """A header as it is compared: without case, surplus spaces and byte order mark."""
    return " ".join(cell.replace("\ufeff", "").split()).casefold()


def snake(text: str) -> str:
    """A header as the name of a column: lower case, ASCII letters, digits and single underscores, at most
    60 long.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:60] or "unnamed"
    return f"c_{name}" if name[0].isdigit() else name


def _names(contract: Contract) -> dict[str, str]:
    return {
        normal(header): str(column.name)
        for column in contract.named_columns
        for header in (column.header or ((str(column.name),) if not column.path else ()))
    }


def _free(name: str, taken: Mapping[str, int], names: Mapping[str, str]) -> str:
    """`name`, or with a number behind it if another column has that name."""
    candidate, number = name, 1
    while candidate in taken or candidate in names.values():
        number += 1
        candidate = f"{name}_{number}"
    return candidate
