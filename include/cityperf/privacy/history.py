"""What earlier releases made of each cell: a reader keeps them, and subtracts one from the other."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import Connection

from cityperf.config import Settings
from cityperf.privacy import tables
from cityperf.privacy.problem import Relation
from cityperf.privacy.rounding import tag
from cityperf.privacy.spec import Declared
from cityperf.privacy.tables import REST, Cell, Row
from cityperf.sealing import new_key

SECRET: Final = "disclosure"  # noqa: S105 - its name in the secrets file
BEFORE: Final = "before"  # a cell as the last release had it, where it has changed since


@dataclass(frozen=True)
class Seen:
    """What an earlier release made of a cell."""

    is_hidden: bool
    tag: str
    shown: int | None
    last: int


@dataclass(frozen=True)
class Past:
    """Each cell's history, and the last release's cells."""

    by_cell: Mapping[Cell, Sequence[Seen]] = field(default_factory=dict)

    @property
    def last(self) -> dict[Cell, Seen]:
        newest = max((seen.last for each in self.by_cell.values() for seen in each), default=0)
        return {cell: seen for cell, each in self.by_cell.items() for seen in each if seen.last == newest}

    def knows(self, cell: Cell, value_tag: str) -> bool:
        """Whether some release showed the figure that the cell has now."""
        return any(seen.tag == value_tag and not seen.is_hidden for seen in self.by_cell.get(cell, ()))

    def hid(self, cell: Cell, value_tag: str) -> bool:
        """Whether some release hid it."""
        return any(seen.tag == value_tag and seen.is_hidden for seen in self.by_cell.get(cell, ()))


def key_of(settings: Settings) -> bytes:
    """The home's key for tags and draws; made when first asked for. Without it every cell counts as new."""
    return base64.b64decode(settings.change_secret(SECRET, lambda before: before or new_key()))


def sums_before(
    told: Declared, last: Mapping[Cell, Seen], unchanged: Collection[Cell], names: dict[Hashable, int]
) -> list[Relation]:
    """The last release's sums, as far as they say more than the present ones. Cells are numbered in `names`: those that are
    `unchanged` are the present ones, others get names of their own.
    """
    lines: dict[str, dict[str, int | None]] = defaultdict(dict)
    for (row, measure), seen in last.items():
        lines[row][measure] = seen.shown
    measures = told.rules.measures
    rows = [Row(row, {each: counts.get(each) for each in measures}) for row, counts in sorted(lines.items())]

    def place(name: Any) -> int:
        inner = (name[1:], (name[1], measures[name[2]].part_of)) if name[0] == REST else (name,)
        known = name if all(cell in unchanged for cell in inner) else (BEFORE, *name)
        return names.setdefault(known, len(names))

    first = len(names)
    found = tables.relations(told, rows, place, elsewhere={})
    return [each for each in found if any(cell >= first for cell in each.cells)]


def read_past(connection: Connection[Any], told: Declared, key: bytes) -> Past:
    """What releases made of a table's cells; of before there was disclosure control, what is up."""
    found: dict[Cell, list[Seen]] = defaultdict(list)
    query = (
        "select row_key::text, measure, is_hidden, value_tag, shown_value, last_number from ops.disclosure_past "
        "where table_name = %s order by 1, 2, 6"
    )
    for row, measure, *seen, shown, last in connection.execute(query, (told.table,)):
        found[row, measure].append(Seen(seen[0], seen[1], None if shown is None else int(shown), last))
    return Past(found) if found else Past(_of_live(connection, told, key))


def _of_live(connection: Connection[Any], told: Declared, key: bytes) -> dict[Cell, list[Seen]]:
    """What is up, where nothing was remembered of it: releases of before there was disclosure control."""
    columns = {
        name
        for (name,) in connection.execute(
            "select column_name from information_schema.columns where table_schema = 'publish' and table_name = %s",
            (told.table,),
        )
    }
    if not {*told.key, *told.rules.measures} <= columns:
        return {}
    plain = Declared(
        told.table, told.key, told.columns, told.rules.model_copy(update={"published_elsewhere": ()})
    )
    return {
        (row.key, measure): [Seen(False, tag(key, told.table, row.key, measure, count), count, 0)]
        for row in tables.read_rows(connection, "publish", told.table, plain)
        for measure, count in row.counts.items()
        if count is not None
    }
