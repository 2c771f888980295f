"""Milestones: those due are on time, late or overdue."""

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
                "select division, as_of, due from t where due <> on_time + late + overdue or due > milestones"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="on time, late and overdue to add up to those due",
            remedy="see the milestone mart",
        )
    ]
