"""Connections to the warehouse, one role at a time."""

from __future__ import annotations

from typing import Any

import psycopg

from cityperf.config import Role, Settings


def connect(settings: Settings, role: Role, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
    """A psycopg 3 connection as `role`; keyword arguments go to `psycopg.connect`. Raises OperationalError."""
    options.setdefault("connect_timeout", 10)
    options.setdefault("application_name", f"cityperf-{role}")
    return psycopg.connect(settings.dsn(role), **options)
