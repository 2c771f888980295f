"""Action items: what is overdue adds up by age and is open."""

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
                "select division, as_of, overdue from t where "
                "overdue <> overdue_to_30_days + overdue_31_to_90_days + overdue_over_90_days or "
                "overdue > open or open > items"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="overdue items to add up by age, within the open ones and these within all",
            remedy="see the action item mart",
        )
    ]
