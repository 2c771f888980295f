"""Connections to the warehouse, one role at a time."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from cityperf.config import Role, Settings


def connect(settings: Settings, role: Role, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
    """A psycopg 3 connection as `role`; keyword arguments go to `psycopg.connect`. Raises OperationalError."""
    options.setdefault("connect_timeout", 10)
    options.setdefault("application_name", f"cityperf-{role}")
    return psycopg.connect(settings.dsn(role), **options)


def named_rows(
    connection: psycopg.Connection[Any], query: LiteralString, arguments: Any = None
) -> list[dict[str, Any]]:
    """What a query finds, each row by the names of its columns."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, arguments).fetchall()
