"""The fingerprint of what readers see: equal content, equal hash, whatever night it is."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from psycopg import Connection, sql

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
        rows = hashlib.sha256()
        query = sql.SQL(
            "copy (select {columns} from {table} where {counted} order by {order}) to stdout"
        ).format(
            columns=sql.SQL(", ").join(sql.Identifier(c.name) for c in table.columns),
            table=table.identifier,
            # The catalogue counts the rows of the release list, which grows with every release.
            counted=sql.SQL("table_name <> {}").format(sql.Literal(OWN_HISTORY))
            if name == "catalogue" and any(c.name == "table_name" for c in table.columns)
            else sql.SQL("true"),
            order=table.order(),
        )
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            for block in copy:
                rows.update(block)
        whole.update(rows.digest())
    return whole.hexdigest()
