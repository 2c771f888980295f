"""From the header of a file to the columns of raw, by the contract's names, synonyms and patterns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cityperf.load.quarantined import Quarantined, refusal
from cityperf.sources import NUMBERS, Column, Contract

META: Final = ("_file_id", "_row", "_sheet", "_period", "_night")
REVIEW: Final = "if the publisher changed the file on purpose, review the contract and load it again"


@dataclass(frozen=True)
class Layout:
    """Where each column of a file goes.

    `targets` has one entry per file column: a column of raw, or None for one that is left out, as a personal one
    is. `unnamed`
    are the positions without a header, which must stay empty. `new` maps columns that the contract does not
    know to their headers; `missing` are contract columns the file lacks although they are not optional.
    """

    targets: tuple[str | None, ...]
    unnamed: tuple[int, ...] = ()
    new: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def match_header(
    contract: Contract, header: Sequence[str], where: str, elsewhere: Iterable[str] = ()
) -> Layout:
    """The layout for this header. Raises Quarantined if the contract's drift policy refuses it.

    `elsewhere` are columns that the file gives in another place than its header.
    """
    cells = [normal(cell) for cell in header]
    while cells and not cells[-1]:
        cells.pop()
    check_width(contract, header, where)
    known = _Names(contract)
    ignored = {normal(each) for each in contract.ignored}
    patterns = [re.compile(column.pattern or "") for column in contract.pattern_columns]
    targets: list[str | None] = [None] * len(header)
    taken: dict[str, int] = {}
    unnamed: list[int] = []
    new: dict[str, str] = {}
    for position, cell in enumerate(cells):
        original = " ".join(header[position].split())
        if cell in ignored:
            continue
        target = known.column(cell)
        if not cell and (target is None or target in taken):
            unnamed.append(position)
            continue
        if target is None:
            column = _free(snake(original), taken, known.columns)
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
        targets[position] = None if target in known.personal else target
        taken[target] = position
    if "" not in ignored:
        unnamed.extend(range(len(cells), len(header)))
    if new and (problem := new_columns(contract, new.values(), where)):
        raise problem
    missing = check_missing(contract, {*taken, *elsewhere}, header, where)
    return Layout(tuple(targets), tuple(unnamed), new, missing)


def new_columns(contract: Contract, labels: Iterable[str], where: str) -> Quarantined | None:
    """The refusal of columns that the contract does not know, if its policy refuses them."""
    return refusal(
        contract, contract.drift.new_column, "only the contract's columns", f"also {', '.join(map(repr, labels))}",
        where, REVIEW,
    )  # fmt: skip


def check_width(contract: Contract, header: Sequence[str], where: str) -> None:
    """Raises Quarantined for too many columns, nameless ones too: a spreadsheet spills a long cell into thousands."""
    most = contract.extract.read.max_columns
    if len(header) > most:
        named = max((position for position, cell in enumerate(header, 1) if cell.strip()), default=0)
        raise Quarantined(
            f"at most {most} columns",
            f"{len(header)} columns, {named} of them up to the last name",
            where,
            "the file looks damaged, for example by a spreadsheet; ask the publisher for the original",
        )


def check_missing(contract: Contract, there: set[str], header: Sequence[str], where: str) -> tuple[str, ...]:
    """The contract's columns that are not `there`, to be told. Raises Quarantined unless the policy lets them go."""
    lacking = [c for c in contract.named_columns if c.name not in there and not c.optional]
    if not lacking:
        return ()
    policy = contract.drift.missing_column
    if policy in ("accept", "warn") and any(c.required for c in lacking):
        policy = "quarantine_file"
    labels = [repr(c.header[0] if c.header else c.path or c.header_pattern or c.name) for c in lacking]
    shown = ", ".join(repr(cell) for cell in header[:20] if cell) + (", ..." if len(header) > 20 else "")
    problem = refusal(
        contract,
        policy,
        f"the column{'s' if len(labels) > 1 else ''} {', '.join(labels[:12])}"
        + (f" and {len(labels) - 12} more" if len(labels) > 12 else ""),
        f"a header without {'them' if len(labels) > 1 else 'it'}: {shown or 'nothing'}",
        where,
        "if the column was renamed, add its new name to `header` in the contract",
        f"a header without {'them' if len(labels) > 1 else 'it'}",
    )
    if problem:
        raise problem
    return tuple(str(c.name) for c in lacking) if policy == "warn" else ()


def find_header(contract: Contract, rows: Sequence[Sequence[str]]) -> int | None:
    """The position of the header among the first rows of a file: the first that has all columns that must
    be there.

    If none has them all, the one that has most, so that what is missing can be named; None if no row is
    like it.
    """
    known = _Names(contract)
    needed = {str(c.name) for c in contract.named_columns if not c.optional and not c.above}
    best, most = None, 0
    for position, row in enumerate(rows):
        found = {column for cell in map(normal, row) if (column := known.column(cell))}
        if needed <= found:
            return position
        if len(found & needed) > most:
            best, most = position, len(found & needed)
    return best if most >= min(2, len(needed)) else None


def check_above(contract: Contract, layout: Layout, rows: Sequence[Sequence[str]], where: str) -> None:
    """Raises Quarantined if records stand above the header, where titles are looked for and nothing is loaded from.

    A row reads like a record when it fills most of the header's columns and has digits in all of numbers and dates that
    it fills. A header in another language has words there, and one over groups of columns leaves most of them empty. The
    template of a register has help and an example above its header, which a division does not move.
    """
    if contract.handed_in:
        return
    kinds = {str(column.name): column.type for column in contract.named_columns}
    kept = [p for p, target in enumerate(layout.targets) if target]
    counted = {p for p in kept if kinds.get(str(layout.targets[p])) in (*NUMBERS, "date", "timestamp")}

    def like_a_record(row: Sequence[str]) -> bool:
        filled = [p for p in kept if p < len(row) and row[p].strip()]
        figures = [any(map(str.isdigit, row[p])) for p in filled if p in counted]
        return len(filled) > 1 and len(filled) >= 0.75 * len(kept) and bool(figures) and all(figures)

    if found := sum(map(like_a_record, rows)):
        raise Quarantined(
            "nothing but titles above the header", f"{found} row{'s' * (found > 1)} like records above it", where,
            "the header was moved, or two files were put together: ask the publisher for the file with its header on top",
        )  # fmt: skip


def side_by_side(contract: Contract, header: Sequence[str]) -> list[tuple[int, int]]:
    """(first position, position behind the last) of each table that shares this header row.

    Where the contract speaks of tables side by side, a new one begins where a column comes again that this one has
    already; nameless columns before it belong to it.
    """
    if not contract.extract.read.side_by_side:
        return [(0, len(header))]
    known = _Names(contract)
    parts: list[tuple[int, int]] = []
    begin, seen = 0, set[str]()
    for position, cell in enumerate(map(normal, header)):
        target = known.column(cell) if cell else None
        if target in seen:
            parts.append((begin, position))
            begin, seen = position, set()
        if target:
            seen.add(target)
    return [*parts, (begin, len(header))]


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


class _Names:
    """The contract's columns by the names and patterns that their headers may have."""

    def __init__(self, contract: Contract) -> None:
        self._exact = {
            normal(header): str(column.name)
            for column in contract.named_columns
            for header in (column.header or _own_name(column))
        }
        self._patterns = [
            (re.compile(column.header_pattern, re.IGNORECASE), str(column.name))
            for column in contract.named_columns
            if column.header_pattern
        ]
        self.columns = {str(column.name) for column in contract.named_columns}
        self.personal = {str(column.name) for column in contract.named_columns if column.personal}

    def column(self, cell: str) -> str | None:
        """The column that a normal header stands for, by name before pattern."""
        found = self._exact.get(cell)
        if found is None and cell:
            found = next((name for pattern, name in self._patterns if pattern.search(cell)), None)
        return found


def _own_name(column: Column) -> tuple[str, ...]:
    return () if column.path or column.header_pattern or column.above else (str(column.name),)


def _free(name: str, taken: Mapping[str, int], names: Container[str]) -> str:
    """`name`, or with a number behind it if another column has that name."""
    candidate, number = name, 1
    while candidate in taken or candidate in names:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
