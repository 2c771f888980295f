"""Service reviews: completed ones are part of all."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="part_within_whole",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, review_year, reviews, completed from t where completed > reviews "
                "or recommendations_implemented > recommendations"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no more completed than all, nor implemented than recommended",
            remedy="see the service review mart",
        )
    ]
