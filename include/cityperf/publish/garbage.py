"""What a killed run or a swap left behind: half-made export folders, retired schemas, folders of no
release."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, sql

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.publish.exports import BUILDING
from cityperf.publish.failpoints import reached
from cityperf.publish.ledger import releases
from cityperf.publish.swap import LIVE, RETIRED

LOCK_TIMEOUT = "200ms"
KEPT = 3  # releases before the one that is up whose tables stay, so that a rollback is a change of names


@dataclass(frozen=True)
class Collected:
    """What was removed, and the retired schemas that a reader still holds."""

    folders: tuple[str, ...]
    schemas: tuple[str, ...]
    still_read: tuple[str, ...]


def sweep(settings: Settings) -> Collected:
    """Remove leftovers. Call it under the release lock only. What readers still use is left for the next
    time."""
    with connect(settings, "publisher", autocommit=True) as connection:
        folders = _folders(settings, connection)
        schemas, still_read = _schemas(connection)
    return Collected(tuple(folders), tuple(schemas), tuple(still_read))


def _folders(settings: Settings, connection: Connection[Any]) -> list[str]:
    if not settings.releases.exists():
        return []
    known = {
        str(each.number) for each in releases(connection) if each.state in ("released", "candidate", "held")
    }
    removed = []
    for path in sorted(settings.releases.iterdir()):
        half_made = path.name.startswith(BUILDING)
        of_no_release = path.name.isdigit() and path.name not in known
        if not (half_made or of_no_release):
            continue
        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)
        removed.append(path.name)
        reached("garbage.folder", path.name)
    return removed


def _schemas(connection: Connection[Any]) -> tuple[list[str], list[str]]:
    dropped: list[str] = []
    still_read: list[str] = []
    found = connection.execute(
        "select nspname from pg_namespace where starts_with(nspname, %s) and nspname <> %s order by nspname",
        (RETIRED, LIVE),
    ).fetchall()
    kept = set(kept_schemas(connection).values())
    retired = [schema for (schema,) in found if schema not in kept]
    connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'")
    for schema in retired:
        try:
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
            dropped.append(schema)
            reached("garbage.schema", schema)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            still_read.append(schema)
    with contextlib.suppress(psycopg.Error):
        connection.execute("reset lock_timeout")
    return dropped, still_read


def kept_schemas(connection: Connection[Any]) -> dict[int, str]:
    """Number → schema of the retired releases whose tables are kept, newest first: those a rollback can go to."""
    there = {
        schema
        for (schema,) in connection.execute(
            "select nspname from pg_namespace where starts_with(nspname, %s)", (RETIRED,)
        )
    }
    retired = [each.number for each in releases(connection) if each.state == "released"][1:]
    return {n: f"{RETIRED}{n}" for n in retired[:KEPT] if f"{RETIRED}{n}" in there}
