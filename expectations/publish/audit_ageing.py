"""Audit recommendations: the ages add up to the open ones."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="ages_add_up",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, quarter_start, open_recommendations from t where open_recommendations <> "
                "not_due + past_due_0_30 + past_due_31_90 + past_due_91_365 + past_due_over_365"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="the ages to add up to the open recommendations",
            remedy="see the audit mart",
        )
    ]
