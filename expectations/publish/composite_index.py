"""Composite indices: the three means keep their order."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="means_keep_their_order",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select geography_code, arithmetic, geometric, harmonic from t where geometric > "
                "arithmetic + 0.000001 or harmonic > geometric + 0.000001"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="harmonic at most geometric at most arithmetic",
            remedy="see the macros of composite indices",
        ),
    ]
