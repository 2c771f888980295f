"""Proofs of concept: each has one outcome."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="outcomes_add_up",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, proofs from t where "
                "proofs <> under_way + scaled + extended + stopped + abandoned + undecided or "
                "scaled_below_target > target_missed"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="outcomes to add up to all proofs of concept",
            remedy="see the mart of proofs of concept",
        )
    ]
