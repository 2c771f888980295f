"""Risks: the levels add up to the open ones."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="levels_add_up",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, quarter_start, open_risks from t where open_risks <> extreme + high + medium + low"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="the levels to add up to the open risks",
            remedy="see the risk mart",
        )
    ]
