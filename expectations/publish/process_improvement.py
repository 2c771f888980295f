"""Process yields: what passed at once passed."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="first_time_within_yield",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select process, subject, yield, first_time_yield from t where first_time_yield > "
                "yield or yield > 1"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="a first-time yield no higher than the yield",
            remedy="see the mart process_improvement",
        ),
    ]
