"""Between marts and publish: what is hidden of each declared table, written where publish models read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.privacy import tables
from cityperf.privacy.history import key_of, read_past
from cityperf.privacy.judge import Judged, judge
from cityperf.privacy.spec import Declared, declared
from cityperf.privacy.tables import Cell, Row


def refresh(settings: Settings, night: date) -> int:
    """Bring ops.disclosure in step with the marts, for every declared table; returns how many cells are hidden."""
    key = key_of(settings)
    with connect(settings, "transformer") as connection:
        row = connection.execute("select max(number) from ops.release where state = 'candidate'").fetchone()
        number = (row and row[0]) or 0
        everything = declared()
        hidden = sum(_refresh(connection, told, key, number, night) for told in everything.values())
        for table in ("disclosure", "disclosure_cell", "disclosure_total"):
            connection.execute(
                sql.SQL("delete from {} where table_name <> all (%s)").format(sql.Identifier("ops", table)),
                (list(everything),),
            )
        return hidden


def _refresh(connection: Connection[Any], told: Declared, key: bytes, number: int, night: date) -> int:
    rows = tables.read_rows(connection, "marts", told.rules.source, told)
    past = read_past(connection, told, key)
    cells = judge(told, rows, key, past, _blocks(connection, told))
    _write_cells(connection, told, cells)
    _write_rows(connection, told, rows, cells)
    _write_totals(connection, told, rows)
    _write_journal(connection, told, cells, number, night)
    return sum(each.reason is not None for each in cells.values())


# -- reading and writing ---------------------------------------------------------------------------------------
def _blocks(connection: Connection[Any], told: Declared) -> dict[str, dict[Cell, str | None]]:
    found: dict[str, dict[Cell, str | None]] = defaultdict(dict)
    for row, measure, block, reason in connection.execute(
        "select row_key::text, measure, block, reason from ops.disclosure_cell "
        "where table_name = %s and block is not null",
        (told.table,),
    ):
        found[block][row, measure] = reason
    return found


def _replace(
    connection: Connection[Any], table: str, name: str, columns: str, rows: Iterable[Sequence[Any]]
) -> None:
    """A table's entries anew."""
    target = sql.Identifier("ops", table)
    connection.execute(sql.SQL("delete from {} where table_name = %s").format(target), (name,))
    with connection.cursor().copy(
        sql.SQL("copy {} (table_name, {}) from stdin").format(target, sql.SQL(columns))
    ) as copy:
        for row in rows:
            copy.write_row((name, *row))


def _write_cells(connection: Connection[Any], told: Declared, cells: Mapping[Cell, Judged]) -> None:
    _replace(
        connection, "disclosure_cell", told.table, "row_key, measure, reason, threshold, value_tag, shown_value, block",
        ((*cell, e.reason, e.threshold, e.tag, e.shown, e.block) for cell, e in cells.items()),
    )  # fmt: skip


def _write_rows(
    connection: Connection[Any], told: Declared, rows: Sequence[Row], cells: Mapping[Cell, Judged]
) -> None:
    hidden: dict[str, set[str]] = {row.key: set() for row in rows}
    rounded: dict[str, dict[str, int]] = {row.key: {} for row in rows}
    for (row, measure), each in cells.items():
        rule = told.rules.measures[measure]
        if each.reason is not None:
            hidden[row] |= {measure, *rule.derived}
        elif rule.rounding and each.shown is not None:
            rounded[row][measure] = each.shown
            hidden[row] |= set(rule.derived)  # they would tell what was rounded away
    for told_by in told.rules.against:
        for this, other in tables.pairs(connection, "marts", told.rules.source, told, told_by.other):
            judged = cells.get((other, told_by.measure))
            if judged is not None and judged.reason is not None:
                hidden[this] |= set(told_by.columns)
    order = [name for name, _ in told.columns]
    _replace(
        connection, "disclosure", told.table, "row_key, hidden, rounded",
        ((row.key, sorted(hidden[row.key], key=order.index), Jsonb(rounded[row.key])) for row in rows),
    )  # fmt: skip


def _write_totals(connection: Connection[Any], told: Declared, rows: Sequence[Row]) -> None:
    shown = tables.shown_elsewhere(told, rows)
    _replace(
        connection, "disclosure_total", told.table, "measure, total, value",
        ((*name, value) for name, value in shown.items()),
    )  # fmt: skip


def _write_journal(
    connection: Connection[Any], told: Declared, cells: Mapping[Cell, Judged], number: int, night: date
) -> None:
    connection.execute(
        "delete from ops.suppression where number = %s and table_name = %s", (number, told.table)
    )
    connection.cursor().executemany(
        "insert into ops.suppression (number, night, table_name, cell, measure, reason, threshold) "
        "values (%s, %s, %s, %s::jsonb, %s, %s, %s)",
        [
            (number, night, told.table, *cell, each.reason, each.threshold)
            for cell, each in cells.items()
            if each.reason is not None
        ],
    )
