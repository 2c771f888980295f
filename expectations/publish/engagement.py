"""Engagement: no mean of fewer than 30 answers."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="small_bases_are_suppressed",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, method, month_start from t "
                "where satisfaction is not null and coalesce(satisfaction_answers, 0) < 30"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#suppression",
            expected="no mean of fewer than 30 answers",
            remedy="see the publish model",
        )
    ]
