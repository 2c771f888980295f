"""Every figure and definition that was ever published, with the releases between which it stood: what `as_of` reads."""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection, sql

from cityperf.publish.tables import Table

VALUE: Final = (
    "kpi_id",
    "kpi_version",
    "geography_type",
    "geography_code",
    "period_grain",
    "period_start",
    "vintage",
    "value",
    "numerator",
    "denominator",
    "is_withdrawn",
    "is_latest",
    "mark",
)
KEY: Final = VALUE[:7]
# 1.0 and 1.00 are equal numbers and different texts: a figure comes back as it was written.
_SAME: Final = (
    "(o.value::text, o.numerator::text, o.denominator::text, o.is_withdrawn, o.is_latest, o.mark) is not distinct from "
    "(n.value::text, n.numerator::text, n.denominator::text, n.is_withdrawn, n.is_latest, n.mark)"
)


def record(connection: Connection[Any], number: int, up: int, candidate: dict[str, Table]) -> None:
    """Write what candidate `number` would change against release `up` (0: none). Repeating it changes nothing.

    What an earlier candidate left that never went up is taken back first. A table or column that the candidate lacks
    is left out: there is nothing to remember of it.
    """
    forget(connection, up)
    values = candidate.get("kpi_value")
    if values and set(KEY) <= {column.name for column in values.columns}:
        _record_values(connection, number, values)
    kpis = candidate.get("kpi")
    if kpis and "kpi_id" in {column.name for column in kpis.columns}:
        _record_definitions(connection, number, kpis)


def forget(connection: Connection[Any], up: int) -> None:
    """Take back what candidates wrote that did not go up after release `up`."""
    for table in ("published_value", "published_definition"):
        name = sql.Identifier("ops", table)
        connection.execute(sql.SQL("delete from {} where valid_from > %s").format(name), (up,))
        connection.execute(sql.SQL("update {} set valid_to = null where valid_to > %s").format(name), (up,))


def _record_values(connection: Connection[Any], number: int, values: Table) -> None:
    there = {column.name for column in values.columns}
    now = sql.SQL(", ").join(
        sql.Identifier(name) if name in there else sql.SQL("null as {}").format(sql.Identifier(name))
        for name in VALUE
    )
    same = sql.SQL(" and ").join(sql.SQL("o.{c} = n.{c}").format(c=sql.Identifier(name)) for name in KEY)
    table = sql.SQL("(select {} from {})").format(now, values.identifier)
    connection.execute(
        sql.SQL(
            "update ops.published_value as o set valid_to = {number} where o.valid_to is null and not exists "
            "(select from {now} as n where {same} and {equal})"
        ).format(now=table, same=same, equal=sql.SQL(_SAME), number=sql.Literal(number))
    )
    connection.execute(
        sql.SQL(
            "insert into ops.published_value ({columns}, valid_from) select {columns}, {number} from {now} as n "
            "where not exists (select from ops.published_value as o where o.valid_to is null and {same})"
        ).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, VALUE)),
            now=table,
            same=same,
            number=sql.Literal(number),
        )
    )


def _record_definitions(connection: Connection[Any], number: int, kpis: Table) -> None:
    arguments = {"table": kpis.identifier, "number": sql.Literal(number)}
    connection.execute(
        sql.SQL(
            "update ops.published_definition as o set valid_to = {number} where o.valid_to is null and not exists "
            "(select from {table} as n where n.kpi_id = o.kpi_id and to_jsonb(n) = o.definition)"
        ).format(**arguments)
    )
    connection.execute(
        sql.SQL(
            "insert into ops.published_definition (kpi_id, definition, valid_from) "
            "select n.kpi_id, to_jsonb(n), {number} from {table} as n where not exists "
            "(select from ops.published_definition as o where o.valid_to is null and o.kpi_id = n.kpi_id)"
        ).format(**arguments)
    )
