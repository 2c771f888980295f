"""What a check is, what it found, and where that is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, Literal

from psycopg import Connection

Severity = Literal["block", "warn", "info"]
Status = Literal["pass", "warn", "fail", "known"]
Border = Literal["landing", "freshness", "transform", "publish"]

RUNBOOKS: Final = "docs/runbooks"
HISTORY: Final = 5  # earlier nights of a check that stand beside a failure
_WHOLE: Final[dict[Border, str]] = {
    "landing": "the whole file",
    "freshness": "the source",
    "transform": "the model",
    "publish": "the whole table",
}


@dataclass(frozen=True)
class Rule:
    """One expectation of a suite, by name so that nothing heavy is imported to list the rules there are.

    `expectation` is a class of great_expectations.expectations, `arguments` its arguments. `expected` and
    `remedy`
    are for people; `runbook` is `file.md#section` below docs/runbooks.
    """

    check: str
    expectation: str
    arguments: Mapping[str, Any]
    severity: Severity
    owner: str
    runbook: str
    expected: str
    remedy: str
    location: str | None = None


@dataclass(frozen=True)
class CheckResult:
    """What one check found on one subject (data set or table). `message` stands on its own."""

    border: Border
    suite: str
    check: str
    subject: str
    severity: Severity
    status: Status
    expected: str
    found: str
    owner: str
    runbook: str
    message: str
    location: str | None = None
    batch_id: int | None = None

    @property
    def blocks(self) -> bool:
        """Whether nothing may pass because of it."""
        return self.severity == "block" and self.status == "fail"


@dataclass(frozen=True)
class Gate:
    """The verdict on a candidate."""

    ok: bool
    results: list[CheckResult] = field(default_factory=list)

    @property
    def blocking(self) -> list[CheckResult]:
        return [result for result in self.results if result.blocks]


def result_of(
    rule: Rule, border: Border, suite: str, subject: str, ok: bool, found: str, batch_id: int | None = None
) -> CheckResult:
    """A rule's outcome in words: expected, found, where, what to do."""
    failed: Status = "fail" if rule.severity == "block" else "warn"
    where = rule.location or _WHOLE[border]
    message = f"{subject}: expected {rule.expected}, found {found}, in {where}"
    if not ok:
        message += f"; {rule.remedy}"
    return CheckResult(
        border=border,
        suite=suite,
        check=rule.check,
        subject=subject,
        severity=rule.severity,
        status="pass" if ok else failed,
        expected=rule.expected,
        found=found,
        owner=rule.owner,
        runbook=f"{RUNBOOKS}/{rule.runbook}",
        message=message,
        location=where,
        batch_id=batch_id,
    )


_INSERT: Final = (
    "insert into ops.check_result (night, border, suite, check_name, subject, batch_id, severity, status, "
    "expected, "
    "found, location, message, owner, runbook) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, "
    "%s)"
)


def record(connection: Connection[Any], night: date, results: Sequence[CheckResult]) -> None:
    """Write results to ops.check_result in a transaction; a repeat of the night replaces what it said before.

    Landing results of different files of one data set stand side by side; a file loaded again replaces its
    own.
    """
    with connection.transaction():
        for border, suite, subject, batch_id in {(r.border, r.suite, r.subject, r.batch_id) for r in results}:
            connection.execute(
                "delete from ops.check_result where night = %s and border = %s and suite = %s and subject "
                "= %s "
                "and (%s::bigint is null or batch_id = %s or batch_id in (select same.batch_id from "
                "ops.batch as same "
                "join ops.batch as this using (file_id) where this.batch_id = %s))",
                (night, border, suite, subject, batch_id, batch_id, batch_id),
            )
        connection.cursor().executemany(
            _INSERT,
            [
                (
                    night,
                    r.border,
                    r.suite,
                    r.check,
                    r.subject,
                    r.batch_id,
                    r.severity,
                    r.status,
                    r.expected,
                    r.found,
                    r.location,
                    r.message,
                    r.owner,
                    r.runbook,
                )
                for r in results
            ],
        )


def record_run(
    connection: Connection[Any], night: date, border: Border, subject: str, seconds: float
) -> None:
    """Write down that a gate was at work until now for so long (ops.gate_run)."""
    connection.execute(
        "insert into ops.gate_run (night, border, subject, began_at, ended_at) "
        "select %s, %s, %s, at - make_interval(secs => %s), at from clock_timestamp() as at",
        (night, border, subject, seconds),
    )


def with_history(
    connection: Connection[Any], night: date, results: Sequence[CheckResult]
) -> list[CheckResult]:
    """The results, each failure with what the same check found on the nights before.

    One query, and only if something failed.
    """
    failed = [each for each in results if each.status != "pass"]
    if not failed:
        return list(results)
    earlier: dict[tuple[str, str, str], list[str]] = {}
    for suite, subject, check, on, status, found in connection.execute(
        "select suite, subject, check_name, night, status, found from ("
        "select *, row_number() over (partition by suite, subject, check_name "
        "order by night desc, check_result_id desc) as n "
        "from ops.check_result join unnest(%s::text[], %s::text[], %s::text[]) as a (suite, subject, check_name) "
        "using (suite, subject, check_name) where night between %s::date - 60 and %s::date - 1 "
        "and border = any(%s)) as r where n <= %s order by n",
        (
            [each.suite for each in failed],
            [each.subject for each in failed],
            [each.check for each in failed],
            night,
            night,
            [*{each.border for each in failed}],
            HISTORY,
        ),
    ):
        told = found if len(found) <= 60 else f"{found[:57]}..."
        earlier.setdefault((suite, subject, check), []).append(f"{on.isoformat()} {status} ({told})")
    return [
        each
        if each.status == "pass"
        else replace(
            each,
            message=f"{each.message}; before: "
            f"{', '.join(earlier.get((each.suite, each.subject, each.check), [])) or 'never checked'}",
        )
        for each in results
    ]


def with_status(result: CheckResult, status: Status, note: str) -> CheckResult:
    """The same result under another status, with the reason added to its message."""
    return replace(result, status=status, message=f"{result.message} ({note})")


def worst_first(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Failures before warnings before known issues before passes, then by subject and check."""
    order = {"fail": 0, "warn": 1, "known": 2, "pass": 3}
    return sorted(results, key=lambda r: (order[r.status], r.subject, r.check))
