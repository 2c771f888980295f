"""A held candidate asks a person. Who answered, when and why is kept; yes publishes it on the way every release takes.

An approval counts for one content: what a later night built in its place asks anew, and the older question is closed
as superseded. No answer in time is a no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import class_row

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.publish import ledger, periods
from cityperf.publish.approvers import Approver, NotAllowed, may, read_approvers
from cityperf.publish.content import content_hash
from cityperf.publish.swap import NEXT
from cityperf.publish.tables import tables

Decision = Literal["approved", "rejected", "timed_out"]
State = Literal["waiting", "approved", "rejected", "timed_out", "superseded"]

NOBODY: Final = "nobody"  # decides when the time is over
MAY_STILL_GO_UP: Final = ("waiting", "timed_out", "approved")


class NothingAsked(CityperfError):
    """There is no question that this answers."""


@dataclass(frozen=True)
class Request:
    """A row of ops.approval_request."""

    request_id: int
    kind: Literal["release", "restatement"]
    number: int | None
    content_hash: str | None
    reason: str
    authors: list[str]
    asked_on: date
    state: State
    page: str | None


_SELECT: Final = (
    "select request_id, kind, number, content_hash, reason, authors, asked_on, state, page "
    "from ops.approval_request"
)


# -- asking --------------------------------------------------------------------------------------------------
def ask(
    connection: Connection[Any],
    number: int,
    fingerprint: str,
    reason: str,
    authors: Sequence[str],
    on: date,
    page: Path | None,
) -> Request:
    """Put the question whether candidate `number` with this content may go up; the same question is put once.

    Whatever waited before is superseded: it can no longer go up.
    """
    connection.execute(
        "update ops.approval_request set state = 'superseded' where kind = 'release' and state = 'waiting' "
        "and (number, content_hash) is distinct from (%s, %s)",
        (number, fingerprint),
    )
    known = _last(connection, number, fingerprint)
    if known is None or known.state == "superseded":
        connection.execute(
            "insert into ops.approval_request (kind, number, content_hash, reason, authors, asked_on, page) "
            "values ('release', %s, %s, %s, %s, %s, %s)",
            (number, fingerprint, reason, sorted(set(authors)), on, str(page) if page else None),
        )
        known = _last(connection, number, fingerprint)
    else:
        connection.execute(
            "update ops.approval_request set reason = %s, authors = %s, page = %s where request_id = %s",
            (reason, sorted(set(authors)), str(page) if page else None, known.request_id),
        )
    assert known is not None  # noqa: S101  # written above
    return known


def supersede(connection: Connection[Any]) -> None:
    """Close every question about a candidate: another one is being built, or a release went up."""
    connection.execute(
        "update ops.approval_request set state = 'superseded' where kind = 'release' and state = 'waiting'"
    )


def granted(connection: Connection[Any], number: int, fingerprint: str) -> bool:
    """Whether somebody approved exactly this content under this number."""
    known = _last(connection, number, fingerprint)
    return known is not None and known.state == "approved"


def refused(connection: Connection[Any], fingerprint: str) -> str | None:
    """Who said no to this very content, and why; it does not go up by itself when its checks pass later."""
    row = connection.execute(
        "select a.what, a.decided_by, a.note from ops.approval_request as q join ops.approval as a using (request_id) "
        "where q.kind = 'release' and q.state = 'rejected' and q.content_hash = %s "
        "order by a.approval_id desc limit 1",
        (fingerprint,),
    ).fetchone()
    return f"{row[1]} rejected it: {row[2] or 'no reason given'}" if row else None


def authors_of(connection: Connection[Any], number: int, night: date) -> list[str]:
    """Those whose own change a candidate is: who announced its restatements, and who registered its known issues."""
    rows = connection.execute(
        "select q.requested_by from ops.restatement as r join ops.restatement_request as q using (request_id) "
        "where r.number = %(number)s union "
        "select k.owner from ops.known_issue as k join ops.check_result as c on "
        "c.check_name like replace(replace(k.check_name, '_', '\\_'), '*', '%%') "
        "and c.subject like replace(replace(k.scope, '_', '\\_'), '*', '%%') "
        "where c.night = %(night)s and c.border = 'publish' and c.severity = 'block' and c.status in ('fail', 'known') "
        "order by 1",
        {"number": number, "night": night},
    ).fetchall()
    return [name for (name,) in rows]


def waiting(settings: Settings, night: date | None = None) -> Request | None:
    """The question that waits for an answer, if there is one (asked by `night`, where that is named)."""
    with (
        connect(settings, "publisher") as connection,
        connection.cursor(row_factory=class_row(Request)) as cursor,
    ):
        return cursor.execute(
            f"{_SELECT} where kind = 'release' and state = 'waiting' "  # fixed text  # noqa: S608
            "and (%(night)s::date is null or number in (select number from ops.release where night = %(night)s)) "
            "order by request_id desc limit 1",
            {"night": night},
        ).fetchone()


def question(settings: Settings, number: int) -> dict[str, Any]:
    """What a person is shown about candidate `number`: subject and body (Markdown). Raises NothingAsked."""
    with connect(settings, "publisher") as connection:
        request = _of(connection, number)
        up = ledger.current(connection)
    stays = f"release {up.number} of {up.night} stays up" if up else "nothing is published yet"
    sample = "**SAMPLE - invented figures.** " if settings.profile == "sample" else ""
    body = (
        f"{sample}Release {number} is held back; {stays}.\n\n**Why:** {request.reason}\n\n"
        f"**What would change:** [the difference](/warehouse/approvals/{number}), also at `{request.page}`.\n\n"
        "No answer in time means no. Runbook: docs/runbooks/release.md"
    )
    return {"number": number, "subject": f"May release {number} go up?", "body": body}


def able(settings: Settings, number: int) -> list[Approver]:
    """Those who may answer for candidate `number`: the approvers of releases but for the change's authors."""
    with connect(settings, "publisher") as connection:
        request = _of(connection, number)
    authors = {each.casefold() for each in request.authors}
    return [each for each in read_approvers() if "release" in each.scopes and not each.names & authors]


# -- answering -----------------------------------------------------------------------------------------------
def answer(
    settings: Settings, number: int, by: str | None, decision: Decision, reason: str | None, on: date
) -> str:
    """Take a decision on candidate `number`; returns how it ended, in words. `by` is None when the time was over.

    An approved candidate is published as every other; when that was cut short, approving again goes on.
    Raises NotAllowed for who may not decide, NothingAsked when the candidate is no longer what was asked about.
    """
    from cityperf.publish.release import release

    with ledger.exclusive(settings), connect(settings, "publisher") as connection:
        request = _of(connection, number)
        ended = _ended(connection, request)
        if ended:
            return ended
        if request.state not in MAY_STILL_GO_UP or (decision != "approved" and request.state != "waiting"):
            raise NothingAsked(
                f"expected a question about release {number} that waits for an answer, found it {request.state}; "
                "./cityperf release list shows what waits"
            )
        person = _deciding(connection, request, by, decision)
        candidate = tables(connection, NEXT)
        if content_hash(connection, candidate) != request.content_hash:
            supersede(connection)
            connection.commit()
            raise NothingAsked(
                f"expected the tables of candidate {number} as they were when it was held, found others in schema "
                f"{NEXT}: a newer candidate has superseded it; ./cityperf release list shows what waits"
            )
        night = _night(connection, number)
        if request.state != "approved":
            _keep(connection, request, person, decision, reason, on)
        if decision != "approved":
            _stays_down(connection, number, person, decision, reason)
        connection.commit()
    if decision != "approved":
        return f"release {number} does not go up: {decision.replace('_', ' ')} by {person}"
    outcome = release(settings, night, on)
    with connect(settings, "publisher") as connection:
        connection.execute(
            "update ops.night set state = 'released' where night = %s and state = 'held' and release_number = %s",
            (night, outcome.number),
        )
    return outcome.reason


def answer_restatement(
    settings: Settings, request_id: int, by: str, decision: Decision, reason: str | None, on: date
) -> str:
    """Agree, or not, to a restatement that somebody announced. Raises NotAllowed and NothingAsked."""
    with connect(settings, "publisher") as connection:
        with connection.cursor(row_factory=class_row(Request)) as cursor:
            request = cursor.execute(
                f"{_SELECT} where kind = 'restatement' and request_id = %s and state = 'waiting'",
                (request_id,),
            ).fetchone()
        if request is None:
            raise NothingAsked(
                f"expected the number of an announced restatement that waits, found {request_id}; "
                "./cityperf period list shows them"
            )
        person = may(by, "restatement", request.authors)
        _keep(connection, request, person.id, decision, reason, on)
    return f"restatement {request_id} ({request.reason}): {decision}"


def announced(settings: Settings) -> list[Request]:
    """Restatements that were announced, newest first."""
    with (
        connect(settings, "publisher") as connection,
        connection.cursor(row_factory=class_row(Request)) as cursor,
    ):
        return cursor.execute(f"{_SELECT} where kind = 'restatement' order by request_id desc").fetchall()


# -- steps ---------------------------------------------------------------------------------------------------
def _of(connection: Connection[Any], number: int) -> Request:
    with connection.cursor(row_factory=class_row(Request)) as cursor:
        found = cursor.execute(
            f"{_SELECT} where kind = 'release' and number = %s order by request_id desc limit 1", (number,)
        ).fetchone()
    if found is None:
        raise NothingAsked(
            f"expected a held release that waits for a decision, found none with number {number}; "
            "./cityperf release list shows what is held"
        )
    return found


def _last(connection: Connection[Any], number: int, fingerprint: str) -> Request | None:
    with connection.cursor(row_factory=class_row(Request)) as cursor:
        return cursor.execute(
            f"{_SELECT} where kind = 'release' and number = %s and content_hash = %s order by request_id desc limit 1",
            (number, fingerprint),
        ).fetchone()


def _ended(connection: Connection[Any], request: Request) -> str | None:
    """How it ended, when it is too late for another answer and nothing is left to do."""
    row = connection.execute("select state from ops.release where number = %s", (request.number,)).fetchone()
    if row and row[0] == "released" and request.state == "approved":
        return f"release {request.number} was approved already and is published"
    return None


def _deciding(connection: Connection[Any], request: Request, by: str | None, decision: Decision) -> str:
    if by is None:
        if decision != "timed_out":
            raise NotAllowed(f"expected the name of who {decision} release {request.number}, found none")
        return NOBODY
    person = may(by, "release", request.authors)
    if request.number is not None and periods.unapproved(connection, request.number):
        may(by, "restatement", request.authors)
    return person.id


def _keep(
    connection: Connection[Any],
    request: Request,
    by: str,
    decision: Decision,
    reason: str | None,
    on: date,
) -> None:
    subject = (
        f"release {request.number}" if request.kind == "release" else f"restatement {request.request_id}"
    )
    connection.execute(
        "update ops.approval_request set state = %s where request_id = %s", (decision, request.request_id)
    )
    connection.execute(
        "insert into ops.approval (subject, decision, decided_by, note, request_id, decided_on, what) "
        "values (%s, %s, %s, %s, %s, %s, %s)",
        (subject, decision, by, reason, request.request_id, on, request.reason),
    )


def _stays_down(
    connection: Connection[Any], number: int, by: str, decision: Decision, reason: str | None
) -> None:
    why = {
        "rejected": f"release {number} was rejected by {by}: {reason or 'no reason given'}",
        "timed_out": f"release {number} is held back: nobody approved it in time",
    }[decision]
    ledger.mark_stale(connection, why)


def _night(connection: Connection[Any], number: int) -> date:
    row = connection.execute("select night from ops.release where number = %s", (number,)).fetchone()
    if row is None:
        raise NothingAsked(f"expected release {number} in ops.release, found none")
    night: date = row[0]
    return night
