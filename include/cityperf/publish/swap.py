"""The moment a release goes up: two schemas change names in one transaction.

Renaming a schema needs no lock on its tables, so a BI query that runs for an hour neither waits nor makes us
wait: it
ends on the tables it began with. One danger is left. A statement looks its tables up one after the other, and
a
rename between two look-ups would show it half of each release. So statements must not *start* while the swap
commits.

First the swap asks for all published tables at once without waiting (NOWAIT), again and again for a moment:
between
short queries that succeeds, and then nobody was between two look-ups. When a long query holds a table, each
table gets
a fence: a lock request on a connection of its own that new statements queue behind for a fraction of a
second. A
statement that already holds one table and waits at the fence of another is let through; once nobody stands
between
two tables any more, the rename commits and the fences fall.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, Final

import psycopg
from psycopg import Connection, sql

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.publish import editions
from cityperf.publish.failpoints import reached
from cityperf.publish.tables import tables

LIVE: Final = "publish"
NEXT: Final = "publish_next"
RETIRED: Final = "publish_old_"
SAMPLE_NOTICE: Final = "SAMPLE - invented figures"

ATTEMPTS: Final = 20
LOCK_TIMEOUT: Final = "2s"
QUICK_TRIES: Final = 60
QUICK_SECONDS: Final = 0.01  # between two tries without waiting
FENCE_SECONDS: Final = 0.6  # the longest that one attempt keeps a new statement waiting
LOOKS: Final = 3  # so many looks in a row must find nobody between two tables ...
LOOK_SECONDS: Final = 0.015  # ... this far apart: longer than a look-up takes


def mark(settings: Settings, connection: Connection[Any]) -> None:
    """In the sample profile, let every table of the candidate say in its comment that it is a sample."""
    if settings.profile == "sample":
        connection.execute("select ops.mark_candidate(%s)", (SAMPLE_NOTICE,))


class SwapBusy(CityperfError):
    """Readers never left a moment in which the swap was safe; the candidate waits, the old release stays."""


class _Again(Exception):
    """Somebody stood between two tables all the time; try again later."""


def swap(
    settings: Settings,
    number: int,
    content_hash: str,
    retired: int,
    sleep: Callable[[float], None] = time.sleep,
    *,
    on: date | None = None,
    source: str = NEXT,
) -> int:
    """Put candidate `number`, whose tables stand in schema `source`, up and retire release `retired` (0 before the
    first). Returns the attempts it took. `on` is the Toronto date, where it is not the candidate's night.

    Raises SwapBusy after the last attempt; then nothing has changed.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(settings, number, content_hash, retired, on, source)
        except (
            _Again,
            psycopg.errors.LockNotAvailable,
            psycopg.errors.DeadlockDetected,
            psycopg.errors.SerializationFailure,
        ):
            sleep(min(5.0, 0.1 * 1.5**attempt) * _jitter())  # jitter, not a secret
        else:
            return attempt
    raise SwapBusy(
        f"expected a moment without a half-started query on schema {LIVE}, found none in {ATTEMPTS} "
        "attempts, in "
        f"database {settings.warehouse_db}; release {retired or 'none'} stays up, run the night again"
    )


def _jitter() -> float:
    return random.uniform(0.5, 1.5)  # noqa: S311  # spreads retries; nothing secret


def _attempt(
    settings: Settings, number: int, content_hash: str, retired: int, on: date | None, source: str
) -> None:
    with connect(settings, "publisher") as connection:
        connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
        reached("swap.opened")
        if source == NEXT:
            connection.execute("select ops.open_candidate_to_readers()")
        connection.execute(
            "update ops.release set state = 'released', released_at = clock_timestamp(), content_hash = %s, "
            "published_on = coalesce(%s, night) where number = %s",
            (content_hash, on, number),
        )
        connection.execute(
            "update ops.release set stale_reason = null where stale_reason is not null "
            "and (number <> %s or repeats is null)",
            (number,),
        )
        if source == NEXT:
            connection.execute(
                "update ops.night set release_number = %s where night = (select night from ops.release where "
                "number = %s)",
                (number, number),
            )
            editions.freeze(connection, number)
        reached("swap.frozen")
        with _nobody_starting(settings, connection):
            reached("swap.locked")
            _rename(connection, retired, source)
            reached("swap.renamed")
            connection.commit()


def _rename(connection: Connection[Any], retired: int, source: str) -> None:
    aside = f"{RETIRED}{retired}"
    taken = connection.execute("select 1 from pg_namespace where nspname = %s", (aside,)).fetchone()
    if taken:
        aside = f"{aside}_{secrets.token_hex(3)}"  # a free name, not a secret
    new_candidate = (
        "create schema {next}",
        "grant usage, create on schema {next} to transformer",
    )
    statements = (
        "alter schema {live} rename to {aside}",
        "revoke usage on schema {aside} from bi_reader, division_reader",
        "alter schema {source} rename to {live}",
        "revoke create on schema {live} from transformer",
        "grant usage on schema {live} to bi_reader, division_reader, transformer",
        *(new_candidate if source == NEXT else ()),
    )
    for place, statement in enumerate(statements):
        connection.execute(
            sql.SQL(statement).format(
                live=sql.Identifier(LIVE),
                next=sql.Identifier(NEXT),
                aside=sql.Identifier(aside),
                source=sql.Identifier(source),
            )
        )
        reached("swap.statement", str(place))
    if source == NEXT:
        connection.execute("select ops.prepare_candidate()")


@contextmanager
def _nobody_starting(settings: Settings, connection: Connection[Any]) -> Iterator[None]:
    """Inside, no statement stands between two look-ups in the published schema, and none can begin."""
    published = [table.identifier for table in tables(connection, LIVE).values()]
    if not published or _lock_all(connection, published):
        yield
        return
    with _Fences(settings, connection, published) as fences:
        fences.drain()
        yield


def _lock_all(connection: Connection[Any], published: list[sql.Identifier]) -> bool:
    query = sql.SQL("lock table {} in access exclusive mode nowait").format(sql.SQL(", ").join(published))
    for _ in range(QUICK_TRIES):
        try:
            with connection.transaction():
                connection.execute(query)
        except psycopg.errors.LockNotAvailable:
            time.sleep(QUICK_SECONDS * _jitter())  # jitter, not a secret
        else:
            return True
    return False


class _Fences:
    """One connection per published table, each asking for the table's strongest lock and never using it."""

    def __init__(
        self, settings: Settings, connection: Connection[Any], published: Iterable[sql.Identifier]
    ) -> None:
        self._connection = connection
        self._opened: list[Connection[Any]] = []
        self._lock: dict[int, bytes] = {}  # backend pid → its lock statement
        self._by_pid: dict[int, Connection[Any]] = {}
        self._pid_of: dict[int, int] = {}  # relation → backend pid
        self._settings = settings
        self._published = list(published)

    def __enter__(self) -> _Fences:
        try:
            for identifier in self._published:
                fence = connect(self._settings, "publisher", autocommit=True)
                self._opened.append(fence)
                pid = fence.info.backend_pid
                name = identifier.as_string(fence)
                for (relation,) in self._connection.execute("select %s::regclass::oid::bigint", (name,)):
                    self._pid_of[relation] = pid
                self._by_pid[pid] = fence
                self._lock[pid] = f"begin; lock table {name} in access exclusive mode".encode()
            for pid in self._by_pid:
                self._put_up(pid)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def drain(self) -> None:
        """Let statements that stand between two tables through until there are none. Raises _Again when time
        is up."""
        deadline = time.monotonic() + FENCE_SECONDS
        quiet = 0
        while quiet < LOOKS:
            if time.monotonic() > deadline:
                raise _Again
            time.sleep(LOOK_SECONDS)
            waited_for = self._waited_for()
            quiet = quiet + 1 if not waited_for and self._all_stand() else 0
            for relation in waited_for:
                pid = self._pid_of.get(relation)
                if pid is None:
                    raise _Again  # the lock they wait for is somebody else's
                self._take_down(pid)
                self._put_up(pid)

    def _put_up(self, pid: int) -> None:
        self._by_pid[pid].pgconn.send_query(self._lock[pid])

    def _take_down(self, pid: int) -> None:
        pgconn = self._by_pid[pid].pgconn
        self._connection.execute("select pg_cancel_backend(%s)", (pid,))
        while pgconn.get_result() is not None:
            pass
        for _ in range(3):  # a cancellation that arrives late may hit the rollback itself
            pgconn.exec_(b"rollback")
            if pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                return
        raise _Again

    def _close(self) -> None:
        alive = not self._connection.closed
        if alive:
            self._connection.rollback()  # undoes nothing after the commit, everything before it
        for fence in self._opened:
            if alive:
                # A backend that waits for a lock does not notice that its client has gone.
                self._connection.execute("select pg_cancel_backend(%s)", (fence.info.backend_pid,))
            fence.close()
        if alive:
            self._connection.rollback()

    def _all_stand(self) -> bool:
        row = self._connection.execute(
            "select count(distinct (pid, relation)) from pg_locks where mode = 'AccessExclusiveLock' "
            "and locktype = 'relation' and pid = any(%s) and relation = any(%s)",
            (list(self._by_pid), list(self._pid_of)),
        ).fetchone()
        return bool(row and row[0] == len(self._by_pid))

    def _waited_for(self) -> list[int]:
        """Published tables that a session waits for while it holds another one."""
        ours = [*self._by_pid, self._connection.info.backend_pid]
        rows = self._connection.execute(
            "select distinct w.relation::bigint from pg_locks as w join pg_locks as h on h.pid = w.pid "
            "where not w.granted and h.granted and w.locktype = 'relation' and h.locktype = 'relation' "
            "and w.relation = any(%s) and h.relation = any(%s) and w.pid <> all(%s)",
            (list(self._pid_of), list(self._pid_of), ours),
        ).fetchall()
        return [relation for (relation,) in rows]
