"""The fingerprint of what readers see: equal content, equal hash, whatever night it is."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from psycopg import Connection, sql

from cityperf.publish.failpoints import reached
from cityperf.publish.tables import SESSION, Table

OWN_HISTORY: Final = "release"  # lists the candidate itself, so it differs every time


def content_hash(connection: Connection[Any], candidate: dict[str, Table]) -> str:
    """SHA-256 over names, column types and ordered rows of every table but `release`.

    Rows stream out of COPY in key order, so memory stays flat and nothing depends on how they lie on disk.
    """
    connection.execute(SESSION)
    whole = hashlib.sha256()
    for name, table in sorted(candidate.items()):
        if name == OWN_HISTORY:
            continue
        whole.update(f"\x1e{name}\x1d".encode())
        whole.update("\x1f".join(f"{c.name} {c.type}" for c in table.columns).encode())
        # The catalogue counts the rows of the release list, which grows with every release.
        counted = (
            sql.SQL("table_name <> {}").format(sql.Literal(OWN_HISTORY))
            if name == "catalogue" and any(c.name == "table_name" for c in table.columns)
            else sql.SQL("true")
        )
        whole.update(_rows(connection, table, [c.name for c in table.columns], counted))
        reached("hash.table", name)
    return whole.hexdigest()


def table_hash(connection: Connection[Any], table: Table) -> str:
    """SHA-256 over column names, types and ordered rows of one table. What is written on the list of releases while
    one of them is up (`stale_reason`) is left out. The session is that of `tables.SESSION`.
    """
    columns = [c for c in table.columns if (table.name, c.name) != (OWN_HISTORY, "stale_reason")]
    whole = hashlib.sha256("\x1f".join(f"{c.name} {c.type}" for c in columns).encode())
    whole.update(_rows(connection, table, [c.name for c in columns], sql.SQL("true")))
    return whole.hexdigest()


def _rows(connection: Connection[Any], table: Table, columns: list[str], where: sql.Composable) -> bytes:
    rows = hashlib.sha256()
    query = sql.SQL("copy (select {columns} from {table} where {where} order by {order}) to stdout").format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=table.identifier,
        where=where,
        order=table.order(),
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for block in copy:
            rows.update(block)
    return rows.digest()
