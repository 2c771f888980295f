"""Progress of commitments: the shares of a hand-in make one whole."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="shares_make_one",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, hand_in, sum(share) as shares from t group by division, hand_in "
                "having abs(sum(share) - 1) > 0.000001"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="the shares of a hand-in to add up to one",
            remedy="see the commitment progress mart",
        )
    ]
