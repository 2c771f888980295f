"""The list of releases in `ops.release`: candidates are opened, held, discarded or released here."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

import psycopg
from psycopg import Connection
from psycopg.rows import class_row

from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.errors import CityperfError

LOCK: Final = 0x72656C65  # 'rele': the advisory lock that one release at a time holds
PATIENCE: Final = "120s"

State = Literal["candidate", "released", "held", "discarded"]


class ReleaseBusy(CityperfError):
    """Another process is making a release of this profile."""


@dataclass(frozen=True)
class Release:
    """One row of ops.release."""

    number: int
    night: date
    state: State
    content_hash: str | None
    code_version: str
    stale_reason: str | None
    created_at: datetime
    released_at: datetime | None
    root_hash: str | None = None
    published_on: date | None = None
    repeats: int | None = None
    made_by: str | None = None
    made_why: str | None = None

    @property
    def standing_note(self) -> str | None:
        """What stays written on a release while it is up: a rollback says so."""
        if self.repeats is None:
            return None
        return f"repeats release {self.repeats}: {self.made_why}"


@contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """Hold the release lock; a killed holder loses it with its connection.

    Raises ReleaseBusy when somebody else still holds it after two minutes.
    """
    with connect(settings, "publisher", autocommit=True) as connection:
        connection.execute(f"set lock_timeout = '{PATIENCE}'")
        try:
            connection.execute("select pg_advisory_lock(%s)", (LOCK,))
        except psycopg.errors.LockNotAvailable as error:
            raise ReleaseBusy(
                f"expected to be the only one making a release of profile {settings.profile!r}, found "
                "another one at "
                f"work for {PATIENCE}, in database {settings.warehouse_db}; wait for it to end and run again"
            ) from error
        yield
        from cityperf.site.release_files import follow

        follow(settings)  # what the site says of the release that is up: every holder may have changed it


def releases(connection: Connection[Any]) -> list[Release]:
    """All releases, newest first."""
    with connection.cursor(row_factory=class_row(Release)) as cursor:
        return cursor.execute(
            "select number, night, state, content_hash, code_version, stale_reason, created_at, released_at, "
            "root_hash, published_on, repeats, made_by, made_why from ops.release order by number desc"
        ).fetchall()


def current(connection: Connection[Any]) -> Release | None:
    """The release that is up: the newest with state released."""
    return next((each for each in releases(connection) if each.state == "released"), None)


def open_number(connection: Connection[Any], night: date) -> int:
    """Reserve a number for `night`, inside the caller's transaction.

    A candidate of the same night, held or not, goes on; one of another night that was never finished is
    discarded
    and its number, which nobody saw, is given out again.
    """
    known = releases(connection)
    highest = max((r.number for r in known if r.state == "released"), default=0)
    same = next((r for r in known if r.night == night and _goes_on(r) and r.number > highest), None)
    connection.execute(
        "update ops.release set state = 'discarded' where state = 'candidate' and number is distinct from %s",
        (same and same.number,),
    )
    number = (
        same.number
        if same
        else max((r.number for r in known if r.state in ("released", "held")), default=0) + 1
    )
    connection.execute(
        "insert into ops.release (number, night, state, code_version) values (%s, %s, 'candidate', %s) "
        "on conflict (number) do update set night = excluded.night, state = 'candidate', content_hash = "
        "null, "
        "code_version = excluded.code_version, stale_reason = null, created_at = now(), released_at = null, "
        "root_hash = null, published_on = null, repeats = null, made_by = null, made_why = null",
        (number, night, code_version()),
    )
    forget_details(connection, number)
    return number


def _goes_on(each: Release) -> bool:
    """Whether a night may go on with what was begun under this number."""
    return each.state in ("candidate", "held") and each.repeats is None


def forget_details(connection: Connection[Any], number: int) -> None:
    """Remove what an earlier attempt at this number recorded."""
    for table in ("release_file", "release_input", "release_node", "restatement"):
        connection.execute(f"delete from ops.{table} where number = %s", (number,))  # fixed names  # noqa: S608


def open_candidate(settings: Settings, night: date) -> int:
    """The number under which tonight's release is built. Idempotent per night. What waited for an approval is
    superseded: its tables are built anew."""
    from cityperf.publish.approval import supersede

    with exclusive(settings), connect(settings, "publisher") as connection:
        supersede(connection)
        return open_number(connection, night)


def adopt(connection: Connection[Any], night: date, built_as: int | None) -> int:
    """The candidate that stands in publish_next: tonight's, or an earlier one that nothing new has replaced.

    `built_as` is the number that publish_next.release carries, if it has such a table.
    """
    known = releases(connection)
    unfinished = [r for r in known if _goes_on(r)]
    chosen = next((r for r in unfinished if r.number == built_as), None) or next(
        (r for r in unfinished if r.state == "candidate"), None
    )
    if chosen is None:
        return open_number(connection, night)
    connection.execute(
        "update ops.release set state = 'discarded' where state = 'candidate' and number <> %s",
        (chosen.number,),
    )
    connection.execute(
        "update ops.release set state = 'candidate', night = %s where number = %s", (night, chosen.number)
    )
    return _overtake(connection, chosen.number, night, known)


def _overtake(connection: Connection[Any], number: int, night: date, known: list[Release]) -> int:
    """The candidate's number, or a new one where a rollback took a higher one while it was built or waited."""
    if number > max((r.number for r in known if r.state == "released"), default=0):
        return number
    connection.execute("update ops.release set state = 'discarded' where number = %s", (number,))
    forget_details(connection, number)
    becomes = open_number(connection, night)
    connection.execute("select ops.renumber_candidate(%s, %s)", (number, becomes))
    return becomes


def discard(connection: Connection[Any], number: int) -> None:
    """Give a candidate up; its number is free again."""
    connection.execute(
        "update ops.release set state = 'discarded' where number = %s and state = 'candidate'", (number,)
    )
    forget_details(connection, number)


def mark_stale(connection: Connection[Any], reason: str | None) -> None:
    """Write on the release that is up why it is not newer (None takes the note off), for operators and for
    BI. A release that repeats an older one always says so."""
    up = current(connection)
    if reason is None and up is not None:
        reason = up.standing_note
    connection.execute(
        "update ops.release set stale_reason = case when number = (select max(number) from ops.release "
        "where state = 'released') then %s end where state = 'released'",
        (reason,),
    )
    # ops says it for certain; the published list says it too unless somebody has locked that table.
    with contextlib.suppress(psycopg.errors.LockNotAvailable), connection.transaction():
        connection.execute("set local lock_timeout = '2s'")
        connection.execute("select ops.mark_release_stale(%s)", (reason,))


def code_version() -> str:
    """Version of the package and, in a clone, the commit it stands on; read from files, so it costs
    nothing."""
    version = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    head = ROOT / ".git" / "HEAD"
    try:
        text = head.read_text().strip()
        if text.startswith("ref: "):
            name = text.removeprefix("ref: ")
            loose = ROOT / ".git" / name
            packed = ROOT / ".git" / "packed-refs"
            if loose.exists():
                text = loose.read_text().strip()
            else:
                text = next(
                    line.split(" ")[0]
                    for line in packed.read_text().splitlines()
                    if line.endswith(f" {name}")
                )
    except (OSError, StopIteration):
        return version
    return f"{version}+{text[:12]}"
