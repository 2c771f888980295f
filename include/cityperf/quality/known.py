"""Known issues: failures that somebody looked at, explained and will look at again by a date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import yaml
from psycopg import Connection

from cityperf.errors import CityperfError
from cityperf.quality.results import CheckResult, with_status
from cityperf.quality.suites import SUITES

REGISTER: Final = SUITES / "known_issues.yml"
_FIELDS: Final = ("check", "scope", "reason", "owner", "expires")


class KnownIssueError(CityperfError):
    """The register of known issues is not as it should be."""


@dataclass(frozen=True)
class KnownIssue:
    """`check` and `scope` (the subject) may carry wildcards; after `expires` the failure counts again."""

    check: str
    scope: str
    reason: str
    owner: str
    expires: date

    def covers(self, result: CheckResult) -> bool:
        return fnmatchcase(result.check, self.check) and fnmatchcase(result.subject, self.scope)


def read_known_issues(path: Path = REGISTER) -> list[KnownIssue]:
    """The register. Raises KnownIssueError for an entry that lacks a field or has one too many."""
    entries = yaml.safe_load(path.read_text("utf-8")) or []
    issues = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or set(entry) != set(_FIELDS) or not all(entry.values()):
            found = ", ".join(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
            raise KnownIssueError(
                f"expected {', '.join(_FIELDS)}, each with a value, found {found}, in {path.name} entry "
                f"{number}; "
                "an issue without a reason, an owner and an expiry is not registered"
            )
        if not isinstance(entry["expires"], date):
            raise KnownIssueError(
                f"expected a date such as 2026-12-31, found {entry['expires']!r}, in {path.name} entry "
                f"{number}"
            )
        issues.append(KnownIssue(**{name: entry[name] for name in _FIELDS}))
    return issues


def apply_known(
    results: Iterable[CheckResult], issues: Iterable[KnownIssue], night: date
) -> list[CheckResult]:
    """Failures that an unexpired issue covers become 'known': they no longer block and stay visible in amber.

    An issue that has expired changes nothing but the message.
    """
    listed = list(issues)
    judged = []
    for result in results:
        if result.status == "pass":
            judged.append(result)
            continue
        matching = sorted((i for i in listed if i.covers(result)), key=lambda i: i.expires, reverse=True)
        if matching and matching[0].expires >= night:
            issue = matching[0]
            note = f"known until {issue.expires.isoformat()}, {issue.owner}: {issue.reason}"
            judged.append(with_status(result, "known", note))
        elif matching:
            ended = matching[0].expires.isoformat()
            note = f"was a known issue until {ended}, which has passed: it counts again"
            judged.append(with_status(result, result.status, note))
        else:
            judged.append(result)
    return judged


def store(connection: Connection[Any], issues: Iterable[KnownIssue]) -> None:
    """Make ops.known_issue say what the register says."""
    with connection.transaction():
        connection.execute("delete from ops.known_issue")
        connection.cursor().executemany(
            "insert into ops.known_issue (check_name, scope, reason, owner, expires) values (%s, %s, %s, "
            "%s, %s)",
            [(i.check, i.scope, i.reason, i.owner, i.expires) for i in issues],
        )
