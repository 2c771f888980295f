"""Restatements: each is a change, with a reason that fits."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule

CAUSES = ["revision", "late_data", "definition", "withdrawal"]


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="allowed.cause",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "cause", "value_set": CAUSES},
            severity="block",
            owner=OWNER,
            runbook="publish.md#allowed-values",
            expected=f"cause to be one of {', '.join(CAUSES)}",
            location="column cause",
            remedy="see the restatement mart",
        ),
        Rule(
            check="cause_fits",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, period_start, cause, old_value, new_value from t "
                "where old_value is not distinct from new_value "
                "or (cause = 'revision' and (old_value is null or old_version <> new_version)) "
                "or (cause = 'definition' and old_version = new_version)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="a change on every row; a new definition is never called a revision",
            remedy="see the restatement mart",
        ),
    ]
