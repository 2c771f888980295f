"""Uses of AI: every use has one status."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="statuses_add_up_to_all",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, risk_class, use_cases from t "
                "where use_cases <> ideas + pilots + in_use + ended"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="the statuses to add up to the uses",
            remedy="see the AI inventory mart",
        )
    ]
