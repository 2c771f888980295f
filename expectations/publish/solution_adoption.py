"""Adoption: who used a solution may use it."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="part_within_whole",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, month, users, active_users from t where active_users > users or "
                "active_users < 0"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no more active users than users",
            remedy="see the adoption mart",
        )
    ]
