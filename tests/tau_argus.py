"""A second opinion on what must be hidden: Tau-Argus, in process, on the persons behind a generated table.

It needs `pytauargus` (EUPL-1.2, a native engine with HiGHS in the wheel).
"""

from __future__ import annotations

import itertools
import tempfile

from pytauargus import protect

from tests.disclosure import ALL, Cell, Shape, key

PRIMARY, SECONDARY = "U", "M"  # its words for a cell's status


class TauArgus:
    """What it hides of a table of two ways: `primary` and all that is `hidden`."""

    def __init__(self, shape: Shape) -> None:
        names = list(shape.told.key)
        persons = [
            {**place, "persons": 1.0}
            for row in shape.rows
            if ALL not in (place := row.place).values()
            for _ in range(row.counts["persons"] or 0)
        ]
        with tempfile.TemporaryDirectory() as folder:
            done = protect(
                persons,
                names,
                response="persons",
                safety_rules=f"FREQ({shape.threshold},100)",  # each small count may be off by itself
                suppress="OPT(1)",
                workdir=folder,
            )
            rows = [dict(row) for row in done.tables[0].rows]
        self.primary: set[Cell] = set()
        self.hidden: set[Cell] = set()
        for row in rows:
            cell = (key(**{n: ALL if row[n] == "Total" else row[n] for n in names}), "persons")
            self.hidden |= {cell} if row["status"] in (PRIMARY, SECONDARY) else set()
            self.primary |= {cell} if row["status"] == PRIMARY else set()


def lines(shape: Shape) -> list[set[Cell]]:
    """Every sum of the table: a total and its parts."""
    return [set(itertools.chain([total], parts)) for total, parts in shape.adds_up]
