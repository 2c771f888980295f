"""Parts of composite indices: goalposts cut off."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="between_goalposts",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select component, between_goalposts from t where between_goalposts not between 0 and 1"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="places between 0 and 1",
            remedy="see normal_goalposts in the macros",
        ),
    ]
